"""One coroutine that prints."""
import asyncio
import sys


async def main():
    print("hello")


if "--uvloop" in sys.argv:
    import uvloop

    uvloop.install()
asyncio.run(main())
