"""Answers each request of HTTP/1.1 with the same few bytes, with asyncio's protocols. It looks only for the end of a
request: less than a server must do. Prints its port; ends when it is killed."""
import asyncio

BODY = b"Hello, World!\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)


class Http(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport
        self.rest = b""

    def data_received(self, data):
        requests = (self.rest + data).split(b"\r\n\r\n")
        self.rest = requests.pop()
        if requests:
            self.transport.write(ANSWER * len(requests))


async def serve():
    server = await asyncio.get_running_loop().create_server(Http, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(serve())
