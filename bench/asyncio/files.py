"""Random reads with asyncio.to_thread: `python3 files.py read DEPTH COUNT FILE`."""
import asyncio
import os
import random
import sys
import time
from concurrent.futures import ThreadPoolExecutor

BLOCK = 4096
THREADS = 16


async def read_blocks(fd, blocks, numbers):
    for _ in numbers:
        data = await asyncio.to_thread(os.pread, fd, BLOCK, random.randrange(blocks) * BLOCK)
        assert len(data) == BLOCK


async def main(depth, count, path):
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS))
    fd = os.open(path, os.O_RDONLY)
    blocks = os.fstat(fd).st_size // BLOCK
    numbers = iter(range(count))
    wall, cpu = time.perf_counter_ns(), time.process_time_ns()
    await asyncio.gather(*(read_blocks(fd, blocks, numbers) for _ in range(depth)))
    print(f"file_read={(time.perf_counter_ns() - wall) / count:.9g}")
    print(f"file_read_cpu={(time.process_time_ns() - cpu) / count:.9g}")


asyncio.run(main(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]))
