#!/usr/bin/env python3
"""load.py LIBRARY: a program that runs brings libmuster.so by dlopen(), and calls it."""

import ctypes
import sys

sys.exit(ctypes.CDLL(sys.argv[1]).muster_version() == 0)
