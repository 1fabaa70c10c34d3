#!/bin/sh
# A job from cron that takes a lock first, so that there is only one: with_lock.sh SCRATCH SECONDS.
# An older one still has it.
exec flock "$1/cron.lock" echo "my turn"
