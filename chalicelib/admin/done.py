"""What an action says after it was done: the next page names it in its address, and shows these words.

Only these can be shown, so that an address made by somebody else says nothing of their own.
"""


def _(text: str) -> str:
    return text


DONE = {
    "logged-out": _("You are logged out."),
    "logged-out-everywhere": _("You are logged out on every device, and every token of yours has ended."),
    "session-ended": _("Your session has ended. Please log in again."),
    "password-changed": _("The password is changed. Every other session of yours has ended."),
    "created": _("Created."),
    "saved": _("Saved."),
    "deleted": _("Deleted."),
    "part-added": _("The users are added. Complete the audience when nobody is missing."),
    "audience-complete": _("The audience is complete and can be sent to."),
    "sent-away": _("The notification is on its way."),
    "scheduled": _("The notification is kept, and sent at its time."),
    "unsubscribed": _("Unsubscribed: nothing is sent to the user by that any more."),
    "subscribed": _("Subscribed again."),
    "lifted": _("The address is sent to again, from the next dispatch on."),
    "erased": _("The user is erased."),
    "erased-soon": _("The user is erased but for what is just being sent: that goes within a few minutes."),
    "unchanged": _("There was nothing to change."),
    "frequency-paused": _("Paused: it does not run until it is resumed."),
    "frequency-resumed": _("Resumed: it runs again."),
    "frequency-resumed-ended": _("Resumed, but its end has come: give it a later end, and it runs again."),
    "cancelled": _("Cancelled. Whoever has not been sent to will not be."),
    "sent-again": _(
        "They are on their way again. Who failed within the last two minutes is left for the next time."
    ),
    "sent-again-some": _(
        "Some are on their way again; there may be more. Send the failed ones again once more."
    ),
    "sent-again-none": _(
        "Nobody was sent to again: who failed within the last two minutes is left for the next time."
    ),
    "sent-again-cancelled": _(
        "Nobody was sent to again: it has been cancelled, and what is cancelled stays so."
    ),
    "sent-again-nobody": _("Nobody was sent to again: nobody is failed any more."),
    "application-changed": _("Saved. It takes effect everywhere within half a minute."),
    "administrator-changed": _("Saved. In the panel it holds at once, by the API within half a minute."),
    "administrator-logged-out": _(
        "They are logged out on every device, and every token of theirs has ended."
    ),
}
