from asyncio import CancelledError, create_task, sleep

from conformance import Failure, log, main, scenario
from scenarios import fail, failure_of, park, steps, value


@scenario("a task starts on the next turn, not in create_task")
async def _():
    task = create_task(steps("a", 1))
    log("created")
    await sleep(0)
    log("yielded")
    await task
    log("awaited")


@scenario("tasks start in the order of their making and take turns")
async def _():
    tasks = [create_task(steps(name, 3)) for name in "abc"]
    for task in tasks:
        await task


@scenario("a directly awaited coroutine runs at once, in the same task")
async def _():
    other = create_task(steps("other", 2))
    log("before")
    await steps("inner", 1)
    log("after")
    await other


@scenario("awaiting a task that is done does not let others run")
async def _():
    done = create_task(value(0, 1))
    await sleep(0.001)
    other = create_task(steps("other", 1))
    log("got", await done)
    log("still first")
    await other


@scenario("waiters of a task go on in the order of their waiting")
async def _():
    task = create_task(value(0.1, 7))

    async def waiter(name):
        log(name, "got", await task)

    waiters = [create_task(waiter(name)) for name in "abc"]
    for each in waiters:
        await each


@scenario("a failure reaches every waiter")
async def _():
    task = create_task(fail(0.1, "broken"))

    async def waiter(name):
        log(name, await failure_of(task))

    waiters = [create_task(waiter(name)) for name in "ab"]
    for each in waiters:
        await each
    log(task.exception())


@scenario("done callbacks run on the turn after the end, in their order")
async def _():
    task = create_task(value(0.1, 3))
    task.add_done_callback(lambda t: log("first", t.result()))
    task.add_done_callback(lambda t: log("second", t.done()))
    log(await task)
    await sleep(0)
    log("later")


@scenario("a done callback of a task that is done comes on the next turn")
async def _():
    task = create_task(value(0, 3))
    await task
    task.add_done_callback(lambda t: log("called"))
    log("added")
    await sleep(0)
    log("later")


@scenario("result and exception before the end are InvalidStateError")
async def _():
    task = create_task(value(0.1, 3))
    for call in (task.result, task.exception):
        try:
            call()
        except Exception as error:
            log(error)
    await task


@scenario("result and exception of a cancelled task throw")
async def _():
    task = create_task(park("a"))
    await sleep(0)
    task.cancel("why")
    log(await failure_of(task))
    for call in (task.result, task.exception):
        try:
            call()
        except BaseException as error:
            log(type(error).__name__)


@scenario("a task that awaits itself gets an error and goes on")
async def _():
    tasks = []

    async def body():
        log(await failure_of(tasks[0]))
        return "alive"

    tasks.append(create_task(body()))
    log(await tasks[0])


@scenario("sleep: zero and less let the others run once")
async def _():
    other = create_task(steps("other", 3))
    await sleep(0)
    log("zero")
    await sleep(-1)
    log("less")
    await other


@scenario("sleep: equal deadlines end in the order of their beginning")
async def _():
    async def sleeper(name):
        await sleep(0.25)
        log(name)

    tasks = [create_task(sleeper(name)) for name in "abcde"]
    for task in tasks:
        await task


@scenario("sleep: gives its result")
async def _():
    log(await sleep(0.01, "here"))
    log(await sleep(0, 5))


@scenario("the end of main cancels what is left, and waits for its cleanup")
async def _():
    async def left():
        try:
            await sleep(3600)
        except CancelledError as error:
            log("left", error)
            await sleep(2)
            log("left cleaned")
            raise

    create_task(left())
    await sleep(1)
    log("main ends")


@scenario("what is ready when main ends")
async def _():
    create_task(steps("ready", 1))
    log("main ends")


@scenario("an exception in the cleanup of what is left goes to the handler")
async def _():
    async def left():
        try:
            await sleep(3600)
        except CancelledError:
            raise Failure("in cleanup") from None

    task = create_task(left())
    await sleep(0)
    log("main ends")


@scenario("what is left and refuses to be cancelled is waited for")
async def _():
    async def left():
        try:
            await sleep(3600)
        except CancelledError:
            log("refuses")
        await sleep(1)
        log("finished")

    create_task(left())
    await sleep(0)


@scenario("main that fails fails the run, after what is left was cancelled")
async def _():
    create_task(park("left"))
    await sleep(0)
    raise Failure("main")


if __name__ == "__main__":
    main()
