#!/usr/bin/env python3
"""Checks how the tree is built up, a line for each finding: layers.py [TOP]

A file of runtime/ or io/ includes its own floor or lower, and liburing and fmt only where they may be; no file is
too long, at a wrong place at the top, or a source, example or test that no meson.build names.
"""
import os
import pathlib
import re
import sys

# The floor of each header, public or private. A source stands on that of the header with its stem unless `NAME.cpp` is
# named itself. Headers in detail/ are on floor 0 if not named. No floor, and a name without a file, are findings.
FLOORS = {
    0: "error clock context context_data outcome coro future handle task exception_group exception_trace map_aligned"
       " report state_pool.cpp symbol fork",
    1: "loop loop_parts inbox callbacks.cpp detail/resident detail/ring detail/timer_queue interrupt ring_error"
       " ring_operation.cpp task_step uring_ring detail/remote_suspension blocked_thread futex detail/futex_lock"
       " detail/thread_function detail/thread_wait thread_start thread_report workers signals fork.cpp loop_service"
       " function_list started_thread detail/shared_wait fault_plan faulty_ring random ring_cache step_observer"
       " ring_features short_transfer detail/network_model faults ring_faults inspect cpu_pause patience",
    2: "run create_task sleep gather wait shield race timeout task_group as_result scope call_graph"
       " detail/cancel_scope precompiled detail/child task_core.cpp report.cpp as_completed async_generator"
       " close_generators thread_report.cpp detail/threadsafe_call run_coroutine_threadsafe for_seeds"
       " cancel_everywhere fail_everywhere cancel_run left_over",
    3: "context_var barrier condition event lock queue semaphore ring_operation.cpp thread_pool to_thread thread"
       " threadsafe threadsafe_queue",
    4: "descriptor detail/fd_operation detail/fd_state endpoint fd file_operations poll send_file socket_operations transfer"
       " detail/owned_fd",
    5: "detail/owner detail/transport fd_transport receive_buffers detail/stream_buffer detail/stream_core stream stream_wait"
       " detail/acceptor multishot stream_socket tcp unix_socket child_process child_signals command communicate.cpp"
       " process spawn fork_child fork_process message_pipe message_socket record_operation turn file pipe signal_set"
       " udp pool_worker process_pool to_process detail/process_job shared_memory",
    6: "connect_attempts resolve open_connection server simulated_network memory_stream"
       " tls tls_context.cpp tls_error.cpp tls_session tls_transport",
    9: "coil testing",
}
IO_FLOOR = 4  # from here on in io/, below in runtime/
# Files that may include it.
LIBURING = re.compile(r"runtime/src/(uring_ring|callbacks|fault_plan|faulty_ring|ring_features|short_transfer)\.|io/src/")
TOP_LEVEL = {"runtime", "io", "examples", "tests", "bench", "meson.build", "README.md", "LICENSE", "CHANGELOG.md"}
LINES_MAX = 400
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', re.MULTILINE)
LIBRARY = re.compile(r"(runtime|io)/(include/coil|src)/(.*)\.[ch]pp")
BUILT = re.compile(r"(runtime|io)/src/.*\.cpp|examples/[^/]*\.cpp|tests/(runtime|io)/.*_test\.cpp")
EXACT = {name: floor for floor, names in FLOORS.items() for name in names.split()}


def walk(top):
    """All files but those in dot-folders and build folders, as paths relative to top."""
    for folder, folders, files in os.walk(top):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__"))
                            and not pathlib.Path(folder, name, "meson-private").exists())
        for name in sorted(files):
            yield pathlib.Path(folder, name).relative_to(top)


def floor_of(name, headers):
    for full_name in (name, f"detail/{name}"):
        if full_name in EXACT:
            return EXACT[full_name]
        if full_name in headers and full_name.startswith("detail/"):
            return 0
    return None


def check_file(path, name, text, headers):
    floor = EXACT.get(f"{name}{path.suffix}", floor_of(name, headers))
    if floor is None:
        return (yield "has no floor in tests/layers.py")
    if (floor >= IO_FLOOR) != (path.parts[0] == "io"):
        yield f"is on floor {floor}, which does not belong to {path.parts[0]}/"
    public = path.parts[1] == "include"
    for include in INCLUDE.findall(text):
        if include.startswith("liburing") and not LIBURING.match(path.as_posix()):
            yield f"includes <{include}>; only the ring and the operations' sources may"
        elif include.startswith("fmt/") and public:
            yield f"is public and includes <{include}>, which users of coil need not have"
        elif include.endswith(".hpp"):
            if public and not include.startswith("coil/"):
                yield f'is public and includes "{include}" instead of <coil/...>'
            its_floor = floor_of(include.removeprefix("coil/").removesuffix(".hpp"), headers)
            if its_floor is None:
                yield f"includes {include}, which has no floor in tests/layers.py"
            elif its_floor > floor:
                yield f"is on floor {floor} and includes {include} from floor {its_floor}"


def check(top):
    files = list(walk(top))
    names = {path: match[3] for path in files if (match := LIBRARY.fullmatch(path.as_posix()))}
    headers = {name for path, name in names.items() if path.parts[1] == "include"}
    for name in sorted(EXACT.keys() - set(names.values()) - {f"{name}.cpp" for name in names.values()}):
        yield f"tests/layers.py: gives {name} a floor, but there is no such file"
    for path, name in names.items():
        for finding in check_file(path, name, (top / path).read_text(), headers):
            yield f"{path}: {finding}"
    for path in files:
        if path.suffix in (".c", ".h", ".cpp", ".hpp") and (lines := (top / path).read_text().count("\n")) > LINES_MAX:
            yield f"{path}: {lines} lines; at most {LINES_MAX}"
        if BUILT.fullmatch(path.as_posix()):
            word = f"src/{path.name}" if path.parts[1] == "src" else path.stem.removesuffix("_test")
            if f"'{word}'" not in (top / path.parts[0] / "meson.build").read_text():
                yield f"{path}: is not built; name it in {path.parts[0]}/meson.build"
    for entry in sorted(top.iterdir()):
        if not entry.name.startswith(".") and entry.name not in TOP_LEVEL and not (entry / "meson-private").exists():
            yield f"{entry.name}: does not belong at the top level"


if __name__ == "__main__":
    findings = list(check(pathlib.Path(sys.argv[1]) if sys.argv[1:] else pathlib.Path(__file__).resolve().parents[1]))
    print(*findings, sep="\n", end="\n" * bool(findings))
    sys.exit(bool(findings))
