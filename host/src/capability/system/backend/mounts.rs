//! Which mounts are disks: what is kept on a device or a server, each once. Pure, apart from reading.

use std::collections::BTreeMap;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use procfs_core::process::MountInfo;

use super::{Error, Roots};
use crate::policy::text::clean_line;

/// File systems of another machine.
const REMOTE: &[&str] = &[
    "9p", "afs", "beegfs", "ceph", "cifs", "coda", "gfs2", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "ocfs2",
    "orangefs", "smb3", "smbfs", "virtiofs",
];
/// Images, which are full by their nature.
const IMAGES: &[&str] = &["cramfs", "erofs", "iso9660", "romfs", "squashfs", "udf"];
/// Kept on devices that are not named as their source.
const POOLED: &[&str] = &["bcachefs", "btrfs", "zfs"];
/// FUSE file systems that hold nothing of their own.
const HOLLOW: &[&str] = &["fuse.gvfsd-fuse", "fuse.lxcfs", "fuse.portal", "fuse.snapfuse", "fuse.squashfuse"];

/// Bytes of a mount point or a device as it is shown.
const SHOWN_LIMIT: usize = 4_096;

/// One file system, where it is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mount {
    pub(super) point: PathBuf,
    pub(super) device: String,
    pub(super) file_system: String,
    pub(super) remote: bool,
    pub(super) read_only: bool,
    /// The device's number.
    pub(super) number: Option<(i32, i32)>,
    /// The device's name in the kernel, as `sda1`.
    pub(super) device_name: Option<String>,
}

impl Mount {
    /// The mount point for people.
    pub(super) fn shown(&self) -> String {
        clean_line(&self.point.to_string_lossy(), SHOWN_LIMIT)
    }
}

/// All mounts that this process sees. A line that is not understood is one that some user of a strange name has made: it
/// hides no other.
pub(super) fn read(roots: &Roots) -> Result<Vec<MountInfo>, Error> {
    Ok(roots.text("self/mountinfo")?.lines().filter_map(|line| MountInfo::from_line(line).ok()).collect())
}

/// Those that are disks and that `shown` lets be seen, each file system where it is mounted whole and highest up.
pub(super) fn real(mounts: &[MountInfo], shown: impl Fn(&[u8]) -> bool) -> Vec<Mount> {
    // What is mounted over another hides it.
    let seen: BTreeMap<PathBuf, &MountInfo> =
        mounts.iter().map(|mount| (unescaped(&mount.mount_point), mount)).collect();
    let mut disks: BTreeMap<&str, (bool, usize, PathBuf, &MountInfo)> = BTreeMap::new();
    for (point, mount) in seen {
        if !is_disk(mount, &point) || !shown(point.as_os_str().as_bytes()) {
            continue;
        }
        let found = (mount.root != "/", point.as_os_str().len(), point, mount);
        let better =
            |other: &(bool, usize, PathBuf, _)| (&found.0, &found.1, &found.2) < (&other.0, &other.1, &other.2);
        if disks.get(mount.majmin.as_str()).is_none_or(better) {
            disks.insert(&mount.majmin, found);
        }
    }
    let mut disks: Vec<Mount> = disks.into_values().map(|(_, _, point, mount)| disk(point, mount)).collect();
    disks.sort_by(|a, b| a.point.cmp(&b.point));
    disks
}

fn is_disk(mount: &MountInfo, point: &Path) -> bool {
    let kind = mount.fs_type.as_str();
    if IMAGES.contains(&kind) || HOLLOW.contains(&kind) {
        return false;
    }
    let on_device = mount.mount_source.as_ref().is_some_and(|source| source.starts_with("/dev/"));
    let root_of_a_container = kind == "overlay" && point == Path::new("/");
    (on_device && kind != "devtmpfs") || POOLED.contains(&kind) || is_remote(kind) || root_of_a_container
}

/// Of a server, or of a program, which may be one's client.
fn is_remote(kind: &str) -> bool {
    REMOTE.contains(&kind) || kind.starts_with("fuse.")
}

fn disk(point: PathBuf, mount: &MountInfo) -> Mount {
    let source = mount.mount_source.as_deref().unwrap_or("none");
    let device = unescaped(Path::new(source));
    let number =
        mount.majmin.split_once(':').and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
    let remote = is_remote(&mount.fs_type);
    // A name such as `/dev/mapper/vg-root` is a link to the kernel's.
    let resolved = if remote { None } else { std::fs::canonicalize(&device).ok() };
    let read_only = mount.mount_options.contains_key("ro") || mount.super_options.contains_key("ro");
    Mount {
        point,
        device: clean_line(&device.to_string_lossy(), SHOWN_LIMIT),
        file_system: clean_line(&mount.fs_type, SHOWN_LIMIT),
        remote,
        read_only,
        number,
        device_name: resolved.and_then(|path| Some(path.file_name()?.to_str()?.to_owned())),
    }
}

/// The kernel writes a space, a tab, a line's end and a backslash as `\` and three octal digits.
fn unescaped(path: &Path) -> PathBuf {
    let bytes = path.as_os_str().as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&first, tail)) = rest.split_first() {
        let octal = tail.get(..3).filter(|_| first == b'\\').and_then(|digits| std::str::from_utf8(digits).ok());
        match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                plain.push(byte);
                rest = tail.get(3..).unwrap_or_default();
            }
            None => {
                plain.push(first);
                rest = tail;
            }
        }
    }
    PathBuf::from(std::ffi::OsString::from_vec(plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mounts(text: &str) -> Vec<MountInfo> {
        text.lines().map(str::trim).filter(|line| !line.is_empty()).map(|l| MountInfo::from_line(l).unwrap()).collect()
    }

    fn points(text: &str, shown: impl Fn(&str) -> bool) -> Vec<String> {
        let real = real(&mounts(text), |point| shown(std::str::from_utf8(point).unwrap()));
        real.iter().map(Mount::shown).collect()
    }

    const SERVER: &str = "
        21 1 8:2 / / rw,relatime shared:1 - ext4 /dev/sda2 rw,errors=remount-ro
        22 21 0:21 / /proc rw,nosuid - proc proc rw
        23 21 0:22 / /sys rw,nosuid - sysfs sysfs rw
        24 21 0:5 / /dev rw,nosuid - devtmpfs udev rw,size=8M
        25 21 0:23 / /run rw - tmpfs tmpfs rw,size=1M
        26 21 8:1 / /boot/efi rw - vfat /dev/sda1 rw
        27 21 7:3 / /snap/core/1 ro,nodev - squashfs /dev/loop3 ro
        28 21 11:0 / /media/cdrom ro - iso9660 /dev/sr0 ro
        29 21 0:40 / /var/lib/docker/overlay2/aa/merged rw - overlay overlay rw,lowerdir=x
        30 21 8:2 /var/lib/kubelet /var/lib/kubelet rw - ext4 /dev/sda2 rw
        31 21 253:0 / /srv/my\\040data rw - xfs /dev/mapper/vg-data ro
        32 21 0:50 / /mnt/share rw - nfs4 nas:/export rw,vers=4.2
        33 21 0:51 / /home/u/.gvfs rw - fuse.gvfsd-fuse gvfsd-fuse rw
        34 21 0:52 / /home/u/remote rw - fuse.sshfs u@h: rw
        35 21 0:53 /@ /pool rw - btrfs /dev/sdb rw
        36 21 0:53 /@home /pool/home rw - btrfs /dev/sdb rw
        37 21 0:54 / /tank rw - zfs tank rw
        38 21 0:55 / /misc rw - autofs systemd-1 rw
    ";

    #[test]
    fn disks_are_what_is_kept_on_a_device_or_a_server_each_once() {
        let expected =
            ["/", "/boot/efi", "/home/u/remote", "/mnt/share", "/pool", "/srv/my data", "/tank"].map(str::to_owned);
        assert_eq!(points(SERVER, |_| true), expected);
    }

    #[test]
    fn a_disk_that_may_be_seen_only_lower_down_is_seen_there() {
        assert_eq!(points(SERVER, |point| point.starts_with("/var")), ["/var/lib/kubelet"]);
        assert_eq!(points(SERVER, |point| point == "/pool/home"), ["/pool/home"]);
        assert!(points(SERVER, |_| false).is_empty());
    }

    #[test]
    fn in_a_container_its_root_is_a_disk() {
        let container = "
            1 0 0:60 / / rw - overlay overlay rw,lowerdir=x
            2 1 0:61 / /proc rw - proc proc rw
            3 1 8:2 /data /data rw - ext4 /dev/sda2 rw
            4 1 8:2 /var/lib/docker/containers/x/hosts /etc/hosts rw - ext4 /dev/sda2 rw
        ";
        assert_eq!(points(container, |_| true), ["/", "/data"]);
    }

    #[test]
    fn what_is_mounted_over_another_hides_it() {
        let text = "
            1 0 8:1 / / rw - ext4 /dev/sda1 rw
            2 1 8:2 / /data rw - ext4 /dev/sda2 rw
            3 2 0:9 / /data rw - tmpfs tmpfs rw
        ";
        assert_eq!(points(text, |_| true), ["/"]);
    }

    #[test]
    fn a_disk_is_read_only_by_its_mount_or_by_the_kernels_own_doing() {
        for (mount, file_system, read_only) in
            [("rw", "rw", false), ("ro", "rw", true), ("rw", "ro,errors=remount-ro", true)]
        {
            let mounts = mounts(&format!("1 0 8:1 / / {mount},relatime - ext4 /dev/sda1 {file_system}"));
            let real = real(&mounts, |_| true);
            assert_eq!(real[0].read_only, read_only, "{mount} {file_system}");
            assert_eq!((real[0].number, real[0].remote), (Some((8, 1)), false));
        }
    }

    #[test]
    fn escapes_in_paths_are_undone() {
        for (written, plain) in [
            ("/a\\040b", "/a b"),
            ("/a\\134040", "/a\\040"),
            ("/a\\", "/a\\"),
            ("/a\\9", "/a\\9"),
            ("/\\777", "/\\777"),
        ] {
            assert_eq!(unescaped(Path::new(written)), Path::new(plain), "{written}");
        }
    }

    #[test]
    fn a_line_that_is_not_understood_hides_no_other() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("self")).unwrap();
        let text = b"1 0 8:1 / / rw - ext4 /dev/sda1 rw\nnonsense\n2 1 8:2 / /\xff\xfe rw - ext4 /dev/sda2 rw\n";
        std::fs::write(directory.path().join("self/mountinfo"), text).unwrap();
        let roots = Roots { proc: directory.path().into(), ..Roots::default() };
        assert_eq!(read(&roots).unwrap().len(), 2);
    }
}
