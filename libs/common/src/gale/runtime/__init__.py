"""How the code of a task is run, and how a DAG file is read: always in processes of their own.

    service (scheduler or worker)          client.py, supervisor.py: one event loop, no user code
      └── zygote                           slim, single-threaded, no credentials in its environment
            ├── parse child                reads one DAG file once, answers JSON, is gone
            └── host                       has imported one version of one DAG file
                  └── task process         one attempt: own session, own log file, own control socket
                        └── whatever the task starts

Zygote, hosts and task processes are sub-reapers (Linux): a process whose parent dies becomes a
child of the next of them above it. A child that a zygote or host did not fork itself is
therefore what is left over of something dead, and is killed. A socket that closes tells each
of them that the one above is gone, so that nothing survives a `kill -9` of the service.
"""
