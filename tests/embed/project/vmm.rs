// vmm IMAGE CPUS: a VMM in Rust, through <muster.h>: a Multiboot ELF32 image, one thread a vCPU, one
// for the timers. Ends with the guest's status. Declares what it uses of the interface, no more.
use std::ffi::{c_void, CStr};
use std::io::Write;
use std::os::raw::c_char;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

#[repr(C)]
struct Error {
    code: i32,
    message: [c_char; 508],
}

#[repr(C)]
#[derive(Clone, Copy)]
struct Clock {
    context: *const c_void,
    now_ns: extern "C" fn(*const c_void) -> u64,
    arm: extern "C" fn(*const c_void, i32, u64),
    hold: *const c_void,
    proceed: *const c_void,
}

#[repr(C)]
struct Config {
    size: u32,
    cpus: i32,
    max_cpus: i32,
    kvm_fd: i32,
    vm_fd: i32,
    kick_signal: i32,
    flags: [u8; 8],
    clock: Clock,
    log_context: *const c_void,
    log: *const c_void,
    asleep_context: *const c_void,
    all_asleep: *const c_void,
}

#[repr(C)]
struct Start {
    size: u32,
    mode: u32,
    rip: u64,
    rsp: u64,
    rax: u64,
    rbx: u64,
    others: [u64; 4],
    gdt_limit: u32,
    reserved: u32,
}

#[repr(C)]
struct Port {
    data: *mut u8,
    count: u32,
    port: u16,
    size: u8,
    is_write: u8,
}

#[repr(C)]
struct Devices {
    size: u32,
    reserved: u32,
    context: *const c_void,
    port: extern "C" fn(*const c_void, *mut c_void, i32, *const Port) -> i32,
    mmio: *const c_void,
    msr: *const c_void,
}

#[repr(C)]
struct Exit {
    kind: u32,
    cpu: i32,
    data: [u64; 8],
}

const EXIT_MSR: u32 = 2;
const EXIT_STOPPED: u32 = 3;
const NEVER: u64 = u64::MAX;
const RAM: usize = 32 << 20;

#[link(name = "muster")]
extern "C" {
    fn muster_config_init(config: *mut Config);
    fn muster_vm_create(config: *const Config, vm: *mut *mut c_void, error: *mut Error) -> i32;
    fn muster_vm_destroy(vm: *mut c_void, error: *mut Error) -> i32;
    fn muster_vm_add_memory(vm: *mut c_void, gpa: u64, host: *mut u8, bytes: u64, read_only: i32, error: *mut Error) -> i32;
    fn muster_start_init(start: *mut Start);
    fn muster_vm_set_start(vm: *mut c_void, start: *const Start, error: *mut Error) -> i32;
    fn muster_devices_init(devices: *mut Devices);
    fn muster_vcpu_run(vm: *mut c_void, cpu: i32, devices: *const Devices, exit: *mut Exit, error: *mut Error) -> i32;
    fn muster_vm_stop(vm: *mut c_void, error: *mut Error) -> i32;
    fn muster_vm_timer_expired(vm: *mut c_void, cpu: i32, error: *mut Error) -> i32;
}

fn must(code: i32, error: &Error) {
    if code != 0 {
        let message = unsafe { CStr::from_ptr(error.message.as_ptr()) };
        eprintln!("{}", message.to_string_lossy());
        std::process::exit(if code == 5 || code == 7 { 77 } else { 6 });
    }
}

struct Board {
    status: i32,
    item: usize,
    next: usize,
    fw_cfg: [Vec<u8>; 2],
}

struct Vmm {
    begin: Instant,
    deadlines: Mutex<(Vec<u64>, bool)>,
    armed: Condvar,
    board: Mutex<Board>,
}

extern "C" fn now_ns(context: *const c_void) -> u64 {
    let vmm = unsafe { &*(context as *const Vmm) };
    vmm.begin.elapsed().as_nanos() as u64
}

extern "C" fn arm(context: *const c_void, cpu: i32, deadline_ns: u64) {
    let vmm = unsafe { &*(context as *const Vmm) };
    vmm.deadlines.lock().unwrap().0[cpu as usize] = deadline_ns;
    vmm.armed.notify_one();
}

extern "C" fn port(context: *const c_void, vm: *mut c_void, _cpu: i32, exit: *const Port) -> i32 {
    let (vmm, exit) = unsafe { (&*(context as *const Vmm), &*exit) };
    let data = unsafe { std::slice::from_raw_parts_mut(exit.data, exit.size as usize * exit.count as usize) };
    let mut board = vmm.board.lock().unwrap();
    if exit.is_write == 0 {
        data.fill(0xff);
    }
    match (exit.port, exit.is_write != 0) {
        (0x3f8, true) => std::io::stdout().write_all(data).unwrap(),
        (0x3fd, false) => data[0] = 0x60,
        (0x510, true) => {
            board.item = (data[0] == 5) as usize;
            board.next = 0;
        }
        (0x511, false) => {
            data[0] = *board.fw_cfg[board.item].get(board.next).unwrap_or(&0);
            board.next += 1;
        }
        (0x604, true) | (0xf4, true) => {
            board.status = if exit.port == 0xf4 { (data[0] as i32) << 1 | 1 } else { 0 };
            unsafe { muster_vm_stop(vm, std::ptr::null_mut()) };
        }
        _ => {}
    }
    0
}

fn word(image: &[u8], at: usize) -> usize {
    u32::from_le_bytes(image[at..at + 4].try_into().unwrap()) as usize
}

// Elf32_Ehdr and Elf32_Phdr.
fn load(path: &str, ram: &mut [u8]) -> u64 {
    let image = std::fs::read(path).expect(path);
    let count = image[44] as usize | (image[45] as usize) << 8;
    for i in 0..count {
        let part = word(&image, 28) + i * 32;
        let (offset, address, bytes) = (word(&image, part + 4), word(&image, part + 12), word(&image, part + 16));
        if word(&image, part) == 1 {
            ram[address..address + bytes].copy_from_slice(&image[offset..offset + bytes]);
        }
    }
    for (i, value) in [1u32, 640, (RAM / 1024 - 1024) as u32].iter().enumerate() {
        ram[0x9000 + 4 * i..0x9004 + 4 * i].copy_from_slice(&value.to_le_bytes());
    }
    word(&image, 24) as u64
}

fn expire(vmm: &Vmm, vm: *mut c_void) {
    let mut armed = vmm.deadlines.lock().unwrap();
    while !armed.1 {
        let now = vmm.begin.elapsed().as_nanos() as u64;
        let mut next = now + 1_000_000_000;
        for cpu in 0..armed.0.len() {
            if armed.0[cpu] <= now {
                armed.0[cpu] = NEVER;
                unsafe { muster_vm_timer_expired(vm, cpu as i32, std::ptr::null_mut()) };
            }
            next = next.min(armed.0[cpu]);
        }
        armed = vmm.armed.wait_timeout(armed, Duration::from_nanos(next - now)).unwrap().0;
    }
}

fn run(vmm: &Vmm, vm: *mut c_void, cpu: i32) {
    unsafe {
        let mut error: Error = std::mem::zeroed();
        let mut exit: Exit = std::mem::zeroed();
        let mut devices = std::mem::MaybeUninit::<Devices>::uninit();
        muster_devices_init(devices.as_mut_ptr());
        let place = devices.as_mut_ptr();
        (*place).context = vmm as *const Vmm as *const c_void;
        std::ptr::addr_of_mut!((*place).port).write(port);
        loop {
            must(muster_vcpu_run(vm, cpu, place, &mut exit, &mut error), &error);
            match exit.kind {
                EXIT_STOPPED => return,
                EXIT_MSR => {} // #GP(0)
                kind => {
                    eprintln!("vCPU {}: exit {}", cpu, kind);
                    vmm.board.lock().unwrap().status = 8;
                    muster_vm_stop(vm, std::ptr::null_mut());
                }
            }
        }
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let cpus: i32 = arguments[2].parse().unwrap();
    let vmm = Arc::new(Vmm {
        begin: Instant::now(),
        deadlines: Mutex::new((vec![NEVER; cpus as usize], false)),
        armed: Condvar::new(),
        board: Mutex::new(Board { status: 0, item: 0, next: 0, fw_cfg: [b"QEMU".to_vec(), vec![cpus as u8, 0]] }),
    });
    // Whole pages, until the process ends.
    let ram = unsafe { std::alloc::alloc_zeroed(std::alloc::Layout::from_size_align(RAM, 4096).unwrap()) };
    let memory = unsafe { std::slice::from_raw_parts_mut(ram, RAM) };
    let mut vm: *mut c_void = std::ptr::null_mut();
    unsafe {
        let mut error: Error = std::mem::zeroed();
        let mut config = std::mem::MaybeUninit::<Config>::uninit();
        muster_config_init(config.as_mut_ptr());
        let place = config.as_mut_ptr();
        (*place).cpus = cpus;
        let context = Arc::as_ptr(&vmm) as *const c_void;
        std::ptr::addr_of_mut!((*place).clock).write(Clock { context, now_ns, arm, hold: std::ptr::null(), proceed: std::ptr::null() });
        must(muster_vm_create(place, &mut vm, &mut error), &error);
        must(muster_vm_add_memory(vm, 0, ram, RAM as u64, 0, &mut error), &error);
        let mut start: Start = std::mem::zeroed();
        muster_start_init(&mut start);
        start.rip = load(&arguments[1], memory);
        start.rax = 0x2badb002;
        start.rbx = 0x9000;
        must(muster_vm_set_start(vm, &start, &mut error), &error);
    }
    let handle = vm as usize;
    let timers = {
        let vmm = Arc::clone(&vmm);
        std::thread::spawn(move || expire(&vmm, handle as *mut c_void))
    };
    let threads: Vec<_> = (0..cpus)
        .map(|cpu| {
            let vmm = Arc::clone(&vmm);
            std::thread::spawn(move || run(&vmm, handle as *mut c_void, cpu))
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    vmm.deadlines.lock().unwrap().1 = true;
    vmm.armed.notify_one();
    timers.join().unwrap();
    unsafe {
        let mut error: Error = std::mem::zeroed();
        must(muster_vm_destroy(vm, &mut error), &error);
    }
    let status = vmm.board.lock().unwrap().status;
    std::process::exit(status);
}
