"""Downloads the details of each product, one by one on one connection."""

import http.client
import os
import sys
from urllib.parse import urlsplit

SCALE = float(os.environ.get("LAB_SCALE", "1"))

connection = http.client.HTTPConnection(urlsplit(sys.argv[1]).netloc)
total = 0
for product in range(max(3, round(75 * SCALE))):
    connection.request("GET", f"/product/{product}")
    total += len(connection.getresponse().read())
print(total)
