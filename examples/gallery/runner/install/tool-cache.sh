#!/bin/bash -e
# Job tools are unpacked here at run time; the folder belongs to the account of the jobs.
sudo install -d -o "$RUNNER_USER" -g "$RUNNER_USER" /opt/tool-cache
