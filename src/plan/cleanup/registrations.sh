# With management systems, domains and subscriptions: of this machine, and of no instance.
gone /etc/krb5.keytab /var/lib/sss/db/* /var/lib/sss/mc/* /var/lib/sss/secrets/*
gone /etc/ipa/default.conf /var/lib/ipa-client/sysrestore/* /var/lib/ipa-client/pki/*
gone /var/lib/puppet/ssl /etc/puppet/ssl /etc/puppetlabs/puppet/ssl /var/lib/puppet/state
gone /etc/pki/consumer/* /etc/pki/entitlement/* /etc/sysconfig/rhn/systemid /etc/sysconfig/rhn/osad-auth.conf
gone /etc/sysconfig/hw-uuid /etc/smolt/uuid /etc/smolt/hw-uuid /var/lib/yum/uuid /var/lib/rpm/__db.*
gone /var/lib/waagent/*.prv /var/lib/waagent/*.crt /var/lib/waagent/*.p7m /var/lib/amazon/ssm/Vault
gone /etc/default/instance_configs.cfg /etc/chef/client.pem /etc/chef/validation.pem
