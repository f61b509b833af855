#!/bin/bash -e
sudo mkdir -p /srv/app
cd /srv/app
sudo touch ready
sudo touch done
