"""Delivers mail into an mbox file, and flushes after each message, so that none is lost: flush of
this library makes the file safe on disk."""

import mailbox
import os
import sys

SCALE = float(os.environ.get("LAB_SCALE", "1"))

box = mailbox.mbox(os.path.join(sys.argv[1], "orders.mbox"))
for number in range(max(5, round(15000 * SCALE))):
    message = f"From: shop@example.org\nSubject: Order {number}\n\nIt is on its way.\n"
    box.add(message.encode())
    box.flush()
print(len(box), "messages")
box.close()
