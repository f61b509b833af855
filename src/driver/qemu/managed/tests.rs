use std::path::PathBuf;

use super::domain::{DomainDisk, Source, read};

/// As libvirt 9 describes a machine that runs, cut down to what is looked at.
const SHOP: &str = r"<domain type='qemu' id='4'>
  <name>shop &amp; co</name>
  <devices>
    <disk type='file' device='disk'>
      <source file='/srv/a &quot;b&quot;.qcow2' index='2'/>
      <target dev='vdb' bus='virtio'/>
    </disk>
    <disk type='block' device='disk'>
      <source dev='/dev/vg/root'/>
      <target dev='vda' bus='virtio'/>
      <boot order='1'/>
    </disk>
    <disk type='file' device='cdrom'><target dev='sda'/><readonly/></disk>
    <disk type='file' device='cdrom'><source file='/srv/seed.iso'/><target dev='sdb'/><readonly/></disk>
    <disk type='file' device='disk'><source file='/srv/golden.raw'/><target dev='vdc'/><readonly/></disk>
    <disk type='network' device='disk'><source protocol='rbd' name='p/i'/><target dev='vdd'/></disk>
    <disk type='volume' device='disk'><source pool='default' volume='v'/><target dev='vde'/></disk>
    <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0' state='connected'/></channel>
  </devices>
  <seclabel type='dynamic' model='dac' relabel='yes'><label>+64055:+64055</label></seclabel>
</domain>";

#[test]
fn a_description_says_what_is_copied_and_what_is_left_out() {
    let domain = read(SHOP).unwrap();
    assert_eq!((domain.name.as_str(), domain.user, domain.has_agent), ("shop & co", Some(64055), true));
    let disk = |target: &str, source| DomainDisk { target: target.to_owned(), source };
    let expected = [
        disk("vda", Source::Device("/dev/vg/root".into())),
        disk("vdb", Source::File(PathBuf::from("/srv/a \"b\".qcow2"))),
        disk("vdd", Source::Other("it is reached over the network (rbd)".into())),
        disk("vde", Source::Volume { pool: "default".into(), volume: "v".into() }),
    ];
    assert_eq!(domain.disks, expected, "what is booted from comes first");
    let skipped = ["sdb is left out: it is a cdrom", "vdc is left out: the machine only reads it"];
    assert_eq!(domain.skipped, skipped);
}

#[test]
fn what_is_no_description_is_refused_in_words() {
    assert!(read("<domain>").unwrap_err().starts_with("its description cannot be read"));
    let bomb = "<!DOCTYPE d [<!ENTITY a 'b'>]><domain><name>&a;</name></domain>";
    assert!(read(bomb).is_err());
    assert_eq!(read("<domain/>").unwrap().disks, []);
    assert!(!read(&SHOP.replace("'connected'", "'disconnected'")).unwrap().has_agent);
}
