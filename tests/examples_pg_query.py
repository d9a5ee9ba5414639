#!/usr/bin/env python3
"""Checks what pg_query promises, with a PostgreSQL of its own: examples_pg_query.py PROGRAM"""
import os
import re
import shutil
import sys

from example_check import expect, main, run, step

OUTPUT = (r"100 queries over 4 connections: 10100 in all, (\d+\.\d\d) s\n"
          r"a query of 60 s was given up\n"
          r"is well, as connection 1\nis well, as connection 2\nis well, as connection 3\nis well, as connection 4\n")


@step("a hundred queries at once over four connections, one that is cancelled; all of it by the server's word")
def queries(programs, folder):
    if shutil.which("pg_virtualenv") is None:
        print("  pg_virtualenv (Debian: postgresql, postgresql-common) is not installed: not tried")
        return
    count = "select count(*) from pg_stat_activity where query like '%pg_sleep(%' and state = 'active' and pid <> pg_backend_pid()"
    script = f'"$0"; status=$?; psql -At -c "{count}"; exit $status'
    done = run("pg_virtualenv", "-o", "fsync=off", "sh", "-c", script, programs["pg_query"],
               env={**os.environ, "LC_ALL": "C.UTF-8"})
    expect(done.returncode == 0, f"exit {done.returncode}: {done.stdout[-500:]} {done.stderr[-500:]}")
    found = re.search(OUTPUT + r"(\d+)\n", done.stdout)
    expect(found, f"prints {done.stdout}")
    expect(float(found[1]) >= 0.25, "takes less than 100 queries of 10 ms over 4 connections can")
    expect(found[2] == "0", "the server still works on the query that was given up")


@step("no server is an error that says so, exit status 1")
def no_server(programs, folder):
    done = run(programs["pg_query"], env={**os.environ, "PGHOST": "127.0.0.1", "PGPORT": "1"})
    expect(done.returncode == 1 and done.stdout == "", f"{done}")
    expect("127.0.0.1" in done.stderr and "refused" in done.stderr, f"says {done.stderr}")
    done = run(programs["pg_query"], env={**os.environ, "PGHOST": str(folder)})
    expect(done.returncode == 1 and str(folder) in done.stderr, f"says {done.stderr}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
