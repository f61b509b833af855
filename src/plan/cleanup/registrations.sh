# With management systems, domains and subscriptions: of this machine, and of no instance.
gone /etc/krb5.keytab
empty /var/lib/sss/db /var/lib/sss/mc /var/lib/sss/secrets
gone /etc/ipa/default.conf
empty /var/lib/ipa-client/sysrestore /var/lib/ipa-client/pki
gone /etc/puppet/ssl /etc/puppetlabs/puppet/ssl
for of in /var/lib/puppet /opt/puppetlabs/puppet/cache; do
	gone "$of/ssl" "$of/state" "$of/client_data" "$of/client_yaml" "$of/clientbucket" "$of/yaml"
done
gone /etc/chef/client.pem /etc/chef/validation.pem
empty /etc/pki/consumer /etc/pki/entitlement
gone /etc/sysconfig/rhn/systemid /etc/sysconfig/rhn/osad-auth.conf
gone /etc/insights-client/machine-id /etc/insights-client/.registered
gone /etc/zypp/credentials.d/SCCcredentials /var/lib/ubuntu-advantage/private/machine-token.json
gone /etc/sysconfig/hw-uuid /etc/smolt/uuid /etc/smolt/hw-uuid /var/lib/whoopsie/whoopsie-id
gone /var/lib/yum/uuid /var/lib/dnf/repos/*/countme /var/lib/rpm/__db.* /var/lib/rpm/.rpm.lock
gone /var/lib/waagent/*.prv /var/lib/waagent/*.crt /var/lib/waagent/*.p7m /var/lib/amazon/ssm/Vault
gone /etc/default/instance_configs.cfg
