"""What the Telegram bot says, in each language."""

from collections.abc import Mapping
from enum import Enum, auto


class Said(Enum):
    """What there is to say."""

    CONNECTED = auto()
    REFUSES_ALL = auto()
    LINK_NOT_GOOD = auto()
    ONLY_IN_PRIVATE = auto()
    KEPT_ELSEWHERE = auto()
    ERASED = auto()
    SUBSCRIBED = auto()
    HOW_TO_CONNECT = auto()
    STOPPED = auto()


WORDS: Mapping[Said, Mapping[str, str]] = {
    Said.CONNECTED: {
        "en": "Done: notifications come to this chat from now on. Send /stop to end them.",
        "ru": "Готово: теперь уведомления приходят в этот чат. Чтобы отказаться, отправьте /stop.",
    },
    Said.REFUSES_ALL: {
        "en": "This chat is connected, but you have unsubscribed from all notifications: none will come.",
        "ru": "Чат подключён, но вы отказались от всех уведомлений: они приходить не будут.",
    },
    Said.LINK_NOT_GOOD: {
        "en": "This link is not good any more. Ask for a new one where you have got it.",
        "ru": "Эта ссылка больше не действует. Запросите новую там, где вы её получили.",
    },
    Said.ONLY_IN_PRIVATE: {
        "en": "Please follow the link in a private chat with me.",
        "ru": "Пожалуйста, перейдите по ссылке в личном чате со мной.",
    },
    Said.KEPT_ELSEWHERE: {
        "en": "I cannot connect this chat: contacts are kept in another service. Please enter it there.",
        "ru": "Я не могу подключить этот чат: контакты хранятся в другом сервисе. Укажите его там.",
    },
    Said.ERASED: {
        "en": "Your data has been erased, so this chat cannot be connected. Please subscribe again first.",
        "ru": "Ваши данные удалены, поэтому чат подключить нельзя. Сначала подпишитесь снова.",
    },
    Said.SUBSCRIBED: {
        "en": "You are subscribed again. Send /stop to end notifications in this chat.",
        "ru": "Вы снова подписаны. Чтобы отказаться от уведомлений в этом чате, отправьте /stop.",
    },
    Said.HOW_TO_CONNECT: {
        "en": "This chat is not connected yet. Follow your link: you get it where you have an account.",
        "ru": "Этот чат ещё не подключён. Перейдите по ссылке: её даёт сервис, где у вас аккаунт.",
    },
    Said.STOPPED: {
        "en": "Nothing will come to this chat any more. Send /start to change your mind.",
        "ru": "Уведомления в этот чат больше не придут. Если передумаете, отправьте /start.",
    },
}
"""By locale."""
