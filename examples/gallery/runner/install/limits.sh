#!/bin/bash -e
printf '%s\n' '* soft nofile 65536' '* hard nofile 65536' | sudo tee /etc/security/limits.d/90-runner.conf
