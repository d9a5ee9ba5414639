import asyncio
from asyncio import CancelledError, create_task, sleep

from conformance import Failure, log, main, scenario
from scenarios import failure_of, steps


async def tick(name, times, delay):
    for i in range(times):
        await sleep(delay)
        log(name, "yields", i)
        yield i


async def cleaning(name):
    try:
        for i in range(3):
            yield i
    except GeneratorExit:
        log(name, "exits")
        raise
    except CancelledError as error:
        log(name, error)
        raise
    finally:
        await sleep(0.1)
        log(name, "is clean")


@scenario("generator: values come as they are made, and others run meanwhile")
async def _():
    other = create_task(steps("other", 4))
    async for i in tick("a", 3, 0):
        log("got", i)
    await other


@scenario("generator: values that are ready let nobody else run")
async def _():
    async def ready():
        for i in range(3):
            yield i

    other = create_task(steps("other", 2))
    async for i in ready():
        log("got", i)
    await other


@scenario("generator: two consumers of two generators take turns")
async def _():
    async def consume(name):
        async for i in tick(name, 3, 0):
            log(name, "got", i)

    await asyncio.gather(consume("a"), consume("b"))


@scenario("generator: the end stays the end")
async def _():
    ticks = tick("a", 1, 0)
    for _ in range(3):
        log(await anext(ticks, None))


@scenario("generator: a failure, then the end")
async def _():
    async def failing():
        yield 1
        raise Failure("broken")

    generator = failing()
    log(await anext(generator))
    log(await failure_of(anext(generator)))
    log(await anext(generator, None))


@scenario("generator: aclose waits for the cleanup")
async def _():
    generator = cleaning("a")
    log(await anext(generator))
    await generator.aclose()
    log("closed")
    log(await anext(generator, None))
    await generator.aclose()
    log("again")


@scenario("generator: aclose of one that has not begun")
async def _():
    generator = cleaning("a")
    await generator.aclose()
    log(await anext(generator, None))


@scenario("generator: one that ignores GeneratorExit goes on")
async def _():
    async def stubborn():
        for i in range(4):
            try:
                yield i
            except GeneratorExit:
                log("ignored")

    generator = stubborn()
    log(await anext(generator))
    log(await failure_of(generator.aclose()))
    log(await anext(generator))
    log(await anext(generator))
    log(await anext(generator, None))
    log(await failure_of(generator.aclose()))


@scenario("generator: aclose throws what the cleanup throws")
async def _():
    async def failing():
        try:
            yield 1
        finally:
            await sleep(0.1)
            raise Failure("in cleanup")

    generator = failing()
    log(await anext(generator))
    log(await failure_of(generator.aclose()))
    log(await anext(generator, None))


@scenario("generator: a second next or aclose while one waits")
async def _():
    ticks = tick("a", 2, 0.1)

    async def first():
        log("first got", await anext(ticks))

    task = create_task(first())
    await sleep(0)
    log(await failure_of(anext(ticks)))
    log(await failure_of(ticks.aclose()))
    await task
    log(await anext(ticks))


@scenario("generator: a cancellation while next waits goes through the body, and ends it")
async def _():
    async def waiting():
        try:
            yield 1
            await sleep(3600)
            yield 2
        except CancelledError as error:
            log("body", error)
            raise

    generator = waiting()

    async def consumer():
        async for i in generator:
            log("got", i)

    task = create_task(consumer())
    await sleep(0.1)
    task.cancel("stop")
    log(await failure_of(task))
    log(await anext(generator, None))


@scenario("generator: a body that refuses the cancellation goes on")
async def _():
    async def refusing():
        try:
            await sleep(3600)
        except CancelledError as error:
            log("refuses", error)
        yield 1
        yield 2

    async def consumer():
        async for i in refusing():
            log("got", i)

    task = create_task(consumer())
    await sleep(0.1)
    task.cancel()
    log(await failure_of(task))


@scenario("generator: a cancellation in the cleanup of aclose")
async def _():
    generator = cleaning("a")
    log(await anext(generator))
    task = create_task(generator.aclose())
    await sleep(0)
    task.cancel()
    log(await failure_of(task))


@scenario("generator: abandoned, its cleanup is run by the loop")
async def _():
    async for i in cleaning("a"):
        log("got", i)
        break
    await sleep(0.05)
    log("meanwhile")
    await sleep(0.1)
    log("afterwards")


KEPT = []


@scenario("generator: kept at the end of main, it is closed")
async def _():
    KEPT.append(cleaning("kept"))
    log(await anext(KEPT[-1]))
    log("main ends")


@scenario("generator: kept at the end of main, the failure of its cleanup goes to the handler")
async def _():
    async def failing():
        try:
            yield 1
        finally:
            await sleep(0.1)
            raise Failure("in cleanup")

    KEPT.append(failing())
    log(await anext(KEPT[-1]))
    log("main ends")


if __name__ == "__main__":
    main()
