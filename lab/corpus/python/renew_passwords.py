"""Renews the password hashes of two realms in batches, a thread for each realm. Hashing needs no
interpreter, but staff get four times as many rounds as guests, and a batch ends when both are
through."""

import hashlib
import os
import threading

SCALE = float(os.environ.get("LAB_SCALE", "1"))
ROUNDS = {"staff": 48_000, "guests": 12_000}
USERS = 5


def renew(realm, batches, together, hashes):
    for batch in range(batches):
        for user in range(USERS):
            salt = f"{realm}/{batch}/{user}".encode()
            hashes.append(hashlib.pbkdf2_hmac("sha256", b"correct horse", salt, ROUNDS[realm]))
        together.wait()


def main():
    together = threading.Barrier(len(ROUNDS))
    batches, hashes = max(1, round(48 * SCALE)), []
    threads = [
        threading.Thread(target=renew, args=(realm, batches, together, hashes))
        for realm in ROUNDS
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(len(hashes), "hashes,", hashlib.sha256(b"".join(sorted(hashes))).hexdigest()[:12])


main()
