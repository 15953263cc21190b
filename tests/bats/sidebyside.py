#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Stats files at the same time; prints how many milliseconds all took.

    sidebyside.py FILE...
"""
import os
import sys
import threading
import time

threads = [threading.Thread(target=os.stat, args=(path,))
           for path in sys.argv[1:]]
begin = time.monotonic()
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(int((time.monotonic() - begin) * 1000))
