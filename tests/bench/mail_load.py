"""Sends mails as fast as it can, ten to a connection, as deliver does.

`python -m tests.bench.mail_load PORT MAILS`
"""

import smtplib
import sys
from concurrent.futures import ThreadPoolExecutor

from chalicelib.channels.mail_message import compose
from tests.support.factories import letter
from tests.support.smtp import LOOPBACK

CONNECTIONS = 3
MAILS_OF_A_CONNECTION = 10


def _send(port: int, mails: int) -> None:
    content = bytes(compose(letter(), "Vestnik <news@vestnik.example>"))
    with smtplib.SMTP(LOOPBACK, port, local_hostname="bench.example") as server:
        for number in range(mails):
            server.sendmail("news@vestnik.example", f"user-{number}@example.com", content)


def main() -> None:
    port, mails = map(int, sys.argv[1:])
    batches = [min(MAILS_OF_A_CONNECTION, mails - start) for start in range(0, mails, MAILS_OF_A_CONNECTION)]
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        for sent in [pool.submit(_send, port, batch) for batch in batches]:
            sent.result()


if __name__ == "__main__":
    main()
