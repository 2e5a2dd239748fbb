"""Answers questions with the libraries that storage nodes elsewhere are built on: one line of JSON each, in and out."""

import json
import sys

import hawkauthlib
import tokenlib
from webob import Request


def parse(asked):
    try:
        return tokenlib.parse_token(asked["token"], now=asked["now"], secret=asked["secret"])
    except ValueError as error:
        return {"refused": type(error).__name__}


def make(asked):
    return tokenlib.make_token(asked["data"], secret=asked["secret"])


def key(asked):
    return tokenlib.get_derived_secret(asked["token"], secret=asked["secret"])


def sign(asked):
    request = Request.blank(asked["url"], method=asked["method"])
    return hawkauthlib.sign_request(request, asked["id"], asked["key"])


def check(asked):
    request = Request.blank(asked["url"], method=asked["method"])
    request.headers["Authorization"] = asked["authorization"]
    return hawkauthlib.check_signature(request, asked["key"], nonces=False)


QUESTIONS = {"parse": parse, "make": make, "key": key, "sign": sign, "check": check}

for line in sys.stdin:
    asked = json.loads(line)
    print(json.dumps(QUESTIONS[asked["what"]](asked)), flush=True)
