"""`python -m legitmark_async` is the command `legitmark`."""

from legitmark_async.cli import main

if __name__ == "__main__":
    main()
