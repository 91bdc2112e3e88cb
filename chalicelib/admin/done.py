"""What an action says after it was done: the next page names it in its address, and shows these words.

Only these can be shown, so that an address made by somebody else says nothing of their own.
"""


def _(text: str) -> str:
    return text


DONE = {
    "logged-out": _("You are logged out."),
    "logged-out-everywhere": _("You are logged out on every device, and all your tokens have ended."),
    "session-ended": _("Your session has ended. Please log in again."),
    "password-changed": _("The password is changed. Every other session of yours has ended."),
    "created": _("Created."),
    "saved": _("Saved."),
    "deleted": _("Deleted."),
    "part-added": _("The users are added. Complete the audience when nobody is missing."),
    "audience-complete": _("The audience is complete and can be sent to."),
    "sent-away": _("The notification is on its way."),
    "scheduled": _("The notification is scheduled and will be sent at its time."),
    "unsubscribed": _("Unsubscribed: nothing more is sent to the user through the chosen channels."),
    "subscribed": _("Subscribed again."),
    "lifted": _("The suppression is lifted, from the next dispatch on."),
    "erased": _("The user’s data is erased."),
    "erased-soon": _(
        "The user’s data is erased, except for what is being sent right now: that goes within a few minutes."
    ),
    "unchanged": _("There was nothing to change."),
    "frequency-paused": _("Paused: it does not run until it is resumed."),
    "frequency-resumed": _("Resumed: it runs again."),
    "frequency-resumed-ended": _("Resumed, but it has ended: set a later end to run it again."),
    "cancelled": _("Cancelled. Recipients it has not been sent to yet will not get it."),
    "sent-again": _(
        "They are being sent again."
        " Recipients that failed within the last two minutes are left for the next time."
    ),
    "sent-again-some": _(
        "Some are being sent again; there may be more. Send the failed ones again to go on."
    ),
    "sent-again-none": _(
        "Nothing was sent again:"
        " recipients that failed within the last two minutes are left for the next time."
    ),
    "sent-again-cancelled": _("Nothing was sent again: the notification is cancelled."),
    "sent-again-nobody": _("Nothing was sent again: no recipient is failed any more."),
    "application-changed": _("Saved. It takes effect everywhere within half a minute."),
    "administrator-changed": _(
        "Saved. It takes effect in the panel at once, and in the API within half a minute."
    ),
    "administrator-logged-out": _("They are logged out on every device, and all their tokens have ended."),
}
