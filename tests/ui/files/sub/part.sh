#!/bin/sh -e
true
