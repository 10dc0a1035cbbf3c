"""An API whose server, Hypercorn, speaks HTTP/2 with whoever asks for it by `Upgrade: h2c`. It answers with what it got."""

import json


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": message["type"] + ".complete"})
        await send({"type": "lifespan.shutdown.complete"})
    elif scope["type"] == "websocket":
        await echo(receive, send)
    elif scope["type"] == "http":
        body = json.dumps(received(scope)).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def received(scope):
    headers = [[name.decode("latin-1").lower(), value.decode("latin-1")] for name, value in scope["headers"]]
    return {"version": scope["http_version"], "path": scope["path"], "headers": headers}


async def echo(receive, send):
    while (message := await receive())["type"] != "websocket.disconnect":
        if message["type"] == "websocket.connect":
            await send({"type": "websocket.accept"})
        else:
            await send({"type": "websocket.send", "text": message["text"]})
