//! A SQLite VFS that knows what a power loss may leave of each file: what was synced, and any part of
//! what was written since. It can also make calls fail.
//!
//! It stands before the default VFS and passes everything on, but syncs: those it only takes note of.
//! Files outside a [`World`] are left alone.
#![expect(unsafe_code, reason = "SQLite takes a VFS as C functions over raw pointers")]

use std::{
    collections::HashMap,
    ffi::{CStr, c_char, c_int, c_void},
    fs,
    path::{Path, PathBuf},
    ptr,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};

use ffi::{sqlite3_file, sqlite3_int64, sqlite3_io_methods, sqlite3_vfs};
use libsqlite3_sys as ffi;

/// What a disk writes as a whole.
const SECTOR: usize = 512;

/// The files of a folder, as a power loss would find them.
pub struct World {
    folder: PathBuf,
    files: Mutex<HashMap<PathBuf, Disk>>,
    /// Bytes written to the log so far.
    pub log_written: AtomicU64,
    pub log_sync: Fault,
    pub database_sync: Fault,
    pub write: Fault,
    /// Only of the thread named `writer`.
    pub read: Fault,
}

/// Makes one kind of call fail.
pub struct Fault {
    code: c_int,
    skip: AtomicI64,
    times: AtomicI64,
}

impl Fault {
    const fn new(code: c_int) -> Self {
        Self { code, skip: AtomicI64::new(0), times: AtomicI64::new(0) }
    }

    /// Lets `skip` calls pass and fails the next `times`.
    pub fn arm(&self, skip: i64, times: i64) {
        self.skip.store(skip, Ordering::SeqCst);
        self.times.store(times, Ordering::SeqCst);
    }

    pub fn disarm(&self) {
        self.arm(0, 0);
    }

    /// The code to answer with instead.
    fn due(&self) -> Option<c_int> {
        let is_due = self.times.load(Ordering::SeqCst) > 0
            && self.skip.fetch_sub(1, Ordering::SeqCst) <= 0
            && self.times.fetch_sub(1, Ordering::SeqCst) > 0;
        is_due.then_some(self.code)
    }
}

#[derive(Clone, Default)]
struct Disk {
    synced: Vec<u8>,
    since: Vec<Change>,
}

#[derive(Clone)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Truncate(usize),
}

/// A small generator of its own, so that a failure can be run again from its seed.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        (self.next() >> 11) % bound
    }
}

impl World {
    /// Takes note of all that happens in `folder` from now on.
    pub fn new(folder: &Path) -> Arc<Self> {
        register();
        let world = Arc::new(Self {
            folder: folder.to_owned(),
            files: Mutex::default(),
            log_written: AtomicU64::new(0),
            log_sync: Fault::new(ffi::SQLITE_IOERR_FSYNC),
            database_sync: Fault::new(ffi::SQLITE_IOERR_FSYNC),
            write: Fault::new(ffi::SQLITE_FULL),
            read: Fault::new(ffi::SQLITE_IOERR_READ),
        });
        worlds().lock().unwrap().push(Arc::clone(&world));
        world
    }

    /// Writes to `folder` what a power loss right now might leave: of what was written since the last
    /// sync, each sector is there or not.
    pub fn lose_power(&self, random: &mut Random, folder: &Path) {
        let files = self.files.lock().unwrap().clone();
        // Some images lose nearly all, some nearly nothing, some about half.
        let kept = [0, 5, 50, 95, 100][random.below(5) as usize];
        for (path, disk) in files {
            let mut image = disk.synced;
            for change in disk.since {
                change.apply(&mut image, || random.below(100) < kept);
            }
            fs::write(folder.join(path.file_name().unwrap()), image).unwrap();
        }
    }

    fn change(&self, path: &Path, change: Change) {
        self.files.lock().unwrap().entry(path.to_owned()).or_default().since.push(change);
    }

    /// After a failed sync the kernel may call the pages clean: no later sync writes them.
    fn forget(&self, path: &Path) {
        self.files.lock().unwrap().entry(path.to_owned()).or_default().since.clear();
    }

    fn sync(&self, path: &Path) {
        let mut files = self.files.lock().unwrap();
        let disk = files.entry(path.to_owned()).or_default();
        for change in std::mem::take(&mut disk.since) {
            change.apply(&mut disk.synced, || true);
        }
    }
}

impl Change {
    fn apply(self, image: &mut Vec<u8>, mut is_kept: impl FnMut() -> bool) {
        match self {
            Self::Truncate(length) => {
                if is_kept() {
                    image.resize(length, 0);
                }
            }
            Self::Write { offset, bytes } => {
                let mut at = offset;
                while at < offset + bytes.len() {
                    let end = ((at / SECTOR + 1) * SECTOR).min(offset + bytes.len());
                    if is_kept() {
                        if image.len() < end {
                            image.resize(end, 0);
                        }
                        image[at..end].copy_from_slice(&bytes[at - offset..end - offset]);
                    }
                    at = end;
                }
            }
        }
    }
}

fn worlds() -> &'static Mutex<Vec<Arc<World>>> {
    static WORLDS: Mutex<Vec<Arc<World>>> = Mutex::new(Vec::new());
    &WORLDS
}

/// An open file: ours, and behind it in the same allocation that of the VFS below.
#[repr(C)]
struct File {
    base: sqlite3_file,
    /// From `Box::into_raw`; null outside of worlds.
    tracked: *mut Tracked,
}

struct Tracked {
    world: Arc<World>,
    path: PathBuf,
}

impl Tracked {
    fn is_log(&self) -> bool {
        self.path.to_string_lossy().ends_with("-wal")
    }
}

struct Below(*mut sqlite3_vfs);

// SAFETY: a registered VFS is never freed or changed, and SQLite itself calls it from all threads.
unsafe impl Send for Below {}
// SAFETY: as above.
unsafe impl Sync for Below {}

static BELOW: OnceLock<Below> = OnceLock::new();

fn below() -> *mut sqlite3_vfs {
    BELOW.get().unwrap().0
}

fn register() {
    BELOW.get_or_init(|| {
        // SAFETY: the default VFS is static; ours is leaked, so it lives as long.
        unsafe {
            let default = ffi::sqlite3_vfs_find(ptr::null());
            let mut vfs = ptr::read(default);
            vfs.zName = c"powerloss".as_ptr();
            vfs.szOsFile += size_of::<File>() as c_int;
            vfs.pNext = ptr::null_mut();
            vfs.xOpen = Some(open);
            vfs.xDelete = Some(delete);
            // The rest is the default's own functions; they take what they need from their VFS's
            // `pAppData`, which is copied.
            let rc = ffi::sqlite3_vfs_register(Box::leak(Box::new(vfs)), 1);
            assert_eq!(rc, ffi::SQLITE_OK);
            Below(default)
        }
    });
}

fn world_of(name: *const c_char) -> Option<Tracked> {
    if name.is_null() {
        return None;
    }
    // SAFETY: SQLite hands over a C string.
    let path = PathBuf::from(unsafe { CStr::from_ptr(name) }.to_str().ok()?);
    let worlds = worlds().lock().unwrap();
    let world = worlds.iter().find(|world| path.starts_with(&world.folder))?;
    Some(Tracked { world: Arc::clone(world), path })
}

unsafe extern "C" fn open(
    _: *mut sqlite3_vfs,
    name: *const c_char,
    file: *mut sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    // SAFETY: SQLite allocated `szOsFile` bytes, which hold our file and the one below.
    unsafe {
        let ours = file.cast::<File>();
        (*ours).base.pMethods = ptr::null();
        let rc = (*below()).xOpen.unwrap()(below(), name, real(file), flags, out_flags);
        if !(*real(file)).pMethods.is_null() {
            let durable = flags & (ffi::SQLITE_OPEN_MAIN_DB | ffi::SQLITE_OPEN_WAL) != 0;
            let tracked = world_of(name).filter(|_| durable);
            (*ours).tracked =
                tracked.map_or(ptr::null_mut(), |tracked| Box::into_raw(Box::new(tracked)));
            (*ours).base.pMethods = &raw const METHODS;
        }
        rc
    }
}

unsafe extern "C" fn delete(_: *mut sqlite3_vfs, name: *const c_char, sync: c_int) -> c_int {
    if let Some(tracked) = world_of(name) {
        tracked.world.files.lock().unwrap().remove(&tracked.path);
    }
    // SAFETY: passed on as it came.
    unsafe { (*below()).xDelete.unwrap()(below(), name, sync) }
}

/// The file of the VFS below.
unsafe fn real(file: *mut sqlite3_file) -> *mut sqlite3_file {
    // SAFETY: it lies behind ours, and both are aligned to a pointer.
    unsafe { file.cast::<File>().add(1).cast() }
}

unsafe fn tracked<'file>(file: *mut sqlite3_file) -> Option<&'file Tracked> {
    // SAFETY: null or from `Box::into_raw`, freed in `close` only.
    unsafe { (*file.cast::<File>()).tracked.as_ref() }
}

/// Functions that pass the call on as it came.
macro_rules! pass_on {
    ($($method:ident as $name:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*) => {$(
        unsafe extern "C" fn $name(file: *mut sqlite3_file $(, $argument: $type)*) -> $answer {
            // SAFETY: SQLite calls with a file that `open` filled in.
            unsafe {
                let real = real(file);
                (*(*real).pMethods).$method.unwrap()(real $(, $argument)*)
            }
        }
    )*};
}

pass_on! {
    xFileSize as file_size(size: *mut sqlite3_int64) -> c_int;
    xLock as lock(level: c_int) -> c_int;
    xUnlock as unlock(level: c_int) -> c_int;
    xCheckReservedLock as check_reserved_lock(out: *mut c_int) -> c_int;
    xFileControl as file_control(operation: c_int, argument: *mut c_void) -> c_int;
    xSectorSize as sector_size() -> c_int;
    xDeviceCharacteristics as device_characteristics() -> c_int;
    xShmMap as shm_map(
        region: c_int, size: c_int, extend: c_int, out: *mut *mut c_void
    ) -> c_int;
    xShmLock as shm_lock(offset: c_int, count: c_int, flags: c_int) -> c_int;
    xShmBarrier as shm_barrier() -> ();
    xShmUnmap as shm_unmap(delete: c_int) -> c_int;
    xFetch as fetch(offset: sqlite3_int64, amount: c_int, out: *mut *mut c_void) -> c_int;
    xUnfetch as unfetch(offset: sqlite3_int64, page: *mut c_void) -> c_int;
}

unsafe extern "C" fn close(file: *mut sqlite3_file) -> c_int {
    // SAFETY: the last call on a file that `open` filled in.
    unsafe {
        let ours = file.cast::<File>();
        if !(*ours).tracked.is_null() {
            drop(Box::from_raw((*ours).tracked));
            (*ours).tracked = ptr::null_mut();
        }
        let real = real(file);
        (*(*real).pMethods).xClose.unwrap()(real)
    }
}

unsafe extern "C" fn read(
    file: *mut sqlite3_file,
    buffer: *mut c_void,
    amount: c_int,
    offset: sqlite3_int64,
) -> c_int {
    // SAFETY: SQLite calls with a file that `open` filled in.
    unsafe {
        if let Some(tracked) = tracked(file)
            && std::thread::current().name() == Some("writer")
            && let Some(code) = tracked.world.read.due()
        {
            return code;
        }
        let real = real(file);
        (*(*real).pMethods).xRead.unwrap()(real, buffer, amount, offset)
    }
}

unsafe extern "C" fn write(
    file: *mut sqlite3_file,
    buffer: *const c_void,
    amount: c_int,
    offset: sqlite3_int64,
) -> c_int {
    // SAFETY: SQLite calls with a file that `open` filled in and `amount` readable bytes.
    unsafe {
        if let Some(tracked) = tracked(file) {
            if let Some(code) = tracked.world.write.due() {
                return code;
            }
            if tracked.is_log() {
                tracked.world.log_written.fetch_add(amount as u64, Ordering::SeqCst);
            }
            let bytes = std::slice::from_raw_parts(buffer.cast::<u8>(), amount as usize).to_vec();
            tracked.world.change(&tracked.path, Change::Write { offset: offset as usize, bytes });
        }
        let real = real(file);
        (*(*real).pMethods).xWrite.unwrap()(real, buffer, amount, offset)
    }
}

unsafe extern "C" fn truncate(file: *mut sqlite3_file, size: sqlite3_int64) -> c_int {
    // SAFETY: SQLite calls with a file that `open` filled in.
    unsafe {
        if let Some(tracked) = tracked(file) {
            tracked.world.change(&tracked.path, Change::Truncate(size as usize));
        }
        let real = real(file);
        (*(*real).pMethods).xTruncate.unwrap()(real, size)
    }
}

unsafe extern "C" fn sync(file: *mut sqlite3_file, _flags: c_int) -> c_int {
    // SAFETY: SQLite calls with a file that `open` filled in.
    if let Some(tracked) = unsafe { tracked(file) } {
        let fault =
            if tracked.is_log() { &tracked.world.log_sync } else { &tracked.world.database_sync };
        if let Some(code) = fault.due() {
            tracked.world.forget(&tracked.path);
            return code;
        }
        tracked.world.sync(&tracked.path);
    }
    ffi::SQLITE_OK
}

static METHODS: sqlite3_io_methods = sqlite3_io_methods {
    iVersion: 3,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: Some(fetch),
    xUnfetch: Some(unfetch),
};
