#!/bin/bash -e
echo provisioning
