"""An SMTP server (aiosmtpd) for the end-to-end tests: takes mail only after STARTTLS and a log-in, and keeps every mail
as a file in a folder.

    mail_server.py PORT FOLDER CERTIFICATE KEY USER PASSWORD
"""

import os
import ssl
import sys
import threading

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

port, folder, certificate, key, user, password = sys.argv[1:]


class Keep:
    """Writes each mail aside and renames it, so that whoever reads the folder sees whole mails only."""

    count = 0

    async def handle_DATA(self, server, session, envelope):
        Keep.count += 1
        name = os.path.join(folder, f"{Keep.count:04}")
        with open(name + ".part", "wb") as mail:
            mail.write(f"X-Envelope-From: {envelope.mail_from}\r\nX-Envelope-To: {', '.join(envelope.rcpt_tos)}\r\n".encode())
            mail.write(f"X-Login: {session.auth_data.decode()}\r\n".encode())
            mail.write(envelope.content)
        os.rename(name + ".part", name + ".eml")
        return "250 OK kept"


def authenticate(server, session, envelope, mechanism, given):
    good = isinstance(given, LoginPassword) and (given.login, given.password) == (user.encode(), password.encode())
    return AuthResult(success=good, auth_data=given.login if good else None)


class Server(Controller):
    def factory(self):
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(certificate, key)
        return SMTP(self.handler, hostname="localhost", tls_context=tls, require_starttls=True, auth_required=True,
                    auth_require_tls=True, authenticator=authenticate)


Server(Keep(), hostname="127.0.0.1", port=int(port)).start()
threading.Event().wait()
