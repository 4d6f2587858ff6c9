#!/usr/bin/python3
"""Runs one page in Chromium, without a window, and prints each JSON object that
the page posts as a line; ends when it has posted to /result.
"""

import http.server
import json
import subprocess
import tempfile
import threading

PATIENCE = 60  # seconds


def run_page(page, *flags):
    over = threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header('Content-Type', 'text/html')
            self.end_headers()
            self.wfile.write(page.encode())

        def do_POST(self):
            body = self.rfile.read(int(self.headers['Content-Length']))
            # In the form that the tests read.
            print(json.dumps(json.loads(body)), flush=True)
            self.send_response(204)
            self.end_headers()
            if self.path == '/result':
                over.set()

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        browser = subprocess.Popen(
            ['chromium', '--headless=new', '--no-sandbox', '--disable-gpu',
             '--disable-dev-shm-usage', f'--user-data-dir={folder}',
             '--autoplay-policy=no-user-gesture-required',
             '--allow-loopback-in-peer-connection', *flags,
             f'http://127.0.0.1:{server.server_address[1]}/'],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        over.wait(PATIENCE)
        browser.terminate()
        browser.wait(10)
