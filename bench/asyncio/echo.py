"""Sends back what it gets, with asyncio's streams. Prints its port; ends when it is killed."""
import asyncio
import sys


async def echo(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def serve():
    server = await asyncio.start_server(echo, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if sys.argv[1:] == ["--uvloop"]:
    import uvloop

    uvloop.install()
asyncio.run(serve())
