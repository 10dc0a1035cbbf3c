#!/usr/bin/env python3
"""An API to try a gateway with: shows who the gateway says it is. `python3 deploy/try/api.py [PORT]`"""

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Api(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # keeps connections

    def do_GET(self):
        claims = {name.title(): value for name, value in self.headers.items() if name.lower().startswith("x-auth-")}
        lines = [f"{name}: {value}\n" for name, value in sorted(claims.items()) if value]
        body = "".join(lines or ["nobody\n"]).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 9000), Api).serve_forever()
