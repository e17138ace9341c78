# Run these with ./just RECIPE. Each recipe installs the Debian or Ubuntu packages that it needs and that are missing.

disk_packages := "ovmf e2fsprogs ntfs-3g dosfstools cryptsetup-bin fdisk"
boot_packages := "qemu-system-x86 grub-pc-bin grub-efi-amd64-bin grub-common xorriso mtools"
image_packages := "ovmf qemu-utils"
kernel := "target/release/kernel"
command := "target/release/bareflow"
concordance := "target/programs/concordance.wasm"
text := "target/run/text.txt"

_list:
    @{{ just_executable() }} --justfile {{ quote(justfile()) }} --list --unsorted

# Boot a sample program in QEMU, on a store that it keeps: [NAME [WORDS]], WORDS for the kernel's command line
run *WHAT: _boot_packages programs _kernel _command _text
    @programs/run.sh {{ command }} {{ WHAT }}

# Run all tests, in processes and in QEMU
test *ARGS: _boot_packages _image_packages programs _kernel
    cargo test --release --no-fail-fast --features kernel --lib {{ ARGS }}
    cargo test --release --no-fail-fast --bins --test '*' {{ ARGS }}

# Run the .wast files of FOLDER, such as official tests of a proposal, at every tier
test-wast FOLDER:
    BAREFLOW_WAST="{{ absolute_path(FOLDER) }}" cargo test --release --test official files_of_a_folder -- --ignored

# Compare MODULES random programs (half of them with vectors) with another engine, starting at SEED
fuzz MODULES='100000' SEED='0':
    FUZZ_MODULES=$(({{ MODULES }} / 2)) FUZZ_SEED={{ SEED }} cargo test --release --test engine_differential

# Compare MODULES random programs with exceptions and atomic operators with other engines: wasmtime, and V8 for a tenth of them in the legacy form
fuzz-exceptions MODULES='50000' SEED='0':
    @grub/packages.sh nodejs python3-pip
    python3 -m pip install --quiet --disable-pip-version-check --upgrade --target target/python wasmtime
    PYTHONPATH=target/python FUZZ_MODULES={{ MODULES }} FUZZ_SEED={{ SEED }} \
        cargo test --release --test exception_fuzz -- --ignored standard
    FUZZ_MODULES=$(({{ MODULES }} / 10)) FUZZ_SEED={{ SEED }} cargo test --release --test exception_fuzz -- --ignored legacy

# Read EXECUTIONS absurd profiles, stores, partition tables, archives, images of code, tables of firmware and loader, and command lines, with arithmetic checked
fuzz-parsers EXECUTIONS='1000000' SEED='0':
    PROPTEST_CASES=$(({{ EXECUTIONS }} / 15)) PROPTEST_RNG_SEED={{ SEED }} cargo test --release \
        --config profile.release.package.bareflow.overflow-checks=true --features kernel --lib absurd_

# Let libFuzzer change disks with stores and partition tables, led by what code it reaches, for SECONDS
fuzz-disks SECONDS='300':
    @grub/packages.sh g++
    mkdir -p target/fuzz/corpus
    RUSTFLAGS="-Ccodegen-units=1 -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
        -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
        -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing" \
        cargo build --release --manifest-path fuzz/Cargo.toml --target-dir target/fuzz --target x86_64-unknown-linux-gnu
    target/fuzz/x86_64-unknown-linux-gnu/release/disks target/fuzz/corpus -max_total_time={{ SECONDS }} -max_len=512 \
        -len_control=0 -use_value_profile=1 -print_final_stats=1 -artifact_prefix=target/fuzz/

# Refuse one boot memory at every point, and boot machines of 40 to 160 MiB (20 minutes)
test-memory: _boot_packages programs _kernel _command
    EVERY_REQUEST=1 cargo test --release --test memory_exhaustion -- --nocapture
    cargo test --release --test small_machines -- --ignored --nocapture

# Boot on disks of all kinds in all machines, beside disks of others, with faults and power failures (an hour); NAME: of a test
test-disks NAME='': _boot_packages _disk_packages programs _kernel _command
    cargo test --release --test disks -- --ignored --nocapture --test-threads 1 --skip speed_ {{ NAME }}

# Boot machines without interrupt controllers, timers, keyboard controller, firmware's tables, and say what they do instead (3 minutes)
test-machines: _boot_packages _image_packages programs _kernel _command
    cargo test --release --test machines_without -- --ignored --nocapture

# Run programs that throw exceptions, work in directories, make circuits or take long to start, in processes and in QEMU; downloads them, or a compiler that builds them (15 minutes)
test-programs: _boot_packages _kernel _command
    cargo test --release --test real_programs -- --ignored --nocapture --test-threads 1 exceptions:: directories:: circuits:: silence::

# Look at the screen of every graphics card that QEMU has, in every machine under every firmware (10 minutes)
test-screens: _boot_packages _disk_packages programs _kernel
    cargo test --release --test screens -- --ignored --nocapture

# Boot images on disks of all kinds in all machines and formats (ten minutes)
test-images: _boot_packages _image_packages programs _kernel _command
    cargo test --release --test images -- --ignored --nocapture --test-threads 1

# Say what saving and loading cost on every controller
bench-disks: _boot_packages _kernel _command
    @cargo test --quiet --release --test disks -- --ignored --nocapture speed_

# Boot a program N times on one fresh store, counting instructions: target/bench-boots/report.html; ARGS: [N] [NAME], --help
bench-boots *ARGS: _boot_packages programs _kernel _command _text
    @{{ command }} bench-boots {{ ARGS }}

# Compare the `libc` with others on this CPU, count the `libc-instructions` of a call, or see what real programs have `learned`
bench WHAT='libc' *ARGS:
    @{{ just_executable() }} --justfile {{ quote(justfile()) }} _bench-{{ WHAT }} {{ ARGS }}

_bench-libc *ARGS: programs _command
    @benches/libc/prepare.sh target/bench {{ command }}
    @cargo bench --quiet --bench libc -- {{ ARGS }}

_bench-learned:
    @cargo test --quiet --release --test real_programs -- --ignored --nocapture learned_programs

_bench-libc-instructions *ARGS: _boot_packages _kernel
    @cargo bench --quiet --bench libc -- --instructions {{ ARGS }}

# Make the table of functions that are known by their bodies again, from the C libraries that packages carry (20 minutes)
known-functions:
    @grub/packages.sh wasi-libc
    cargo build --release --example known-functions
    src/libc/known/generate/libraries.sh target/known-functions > target/known-functions.txt
    target/release/examples/known-functions src/libc/known < target/known-functions.txt

# Say which functions of PROGRAMS are known, and where that is not what their names say
known-functions-in *PROGRAMS:
    @cargo run --quiet --release --example known-functions -- --check {{ PROGRAMS }}

# Compute src/libc/tables.wat, the tables of the libc's mathematics
libc-tables:
    WRITE_TABLES=1 cargo test --release --test libc_tables

# Make target/bareflow.iso, which boots the sample program, or with SETTINGS another: PROGRAM= FILES= DIRS= ENV= ARGS= PROFILE= WORDS= OUT=
[positional-arguments]
iso *SETTINGS: _boot_packages programs _kernel _command _text
    @grub/image.sh {{ command }} target/bareflow.iso "$@"

# Make target/bareflow.img, the same as a disk that remembers in itself; OUT= names another file: .img, .qcow2, .vmdk or .vdi
[positional-arguments]
image *SETTINGS: _boot_packages _image_packages programs _kernel _command _text
    @grub/image.sh {{ command }} target/bareflow.img "$@"

# Put the `bareflow` command and its kernel below PREFIX, for use without this checkout
install PREFIX='~/.local': _kernel _command
    install -D -t {{ PREFIX }}/bin {{ command }}
    mkdir -p {{ PREFIX }}/lib/bareflow
    objcopy --strip-debug {{ kernel }} {{ PREFIX }}/lib/bareflow/kernel

# Build the kernel and the `bareflow` command
build: _kernel _command

# Compile the sample programs to WebAssembly, into target/programs
programs:
    @programs/build.sh target/programs

# Check format, and both faces of the crate with clippy
lint:
    @grub/packages.sh shellcheck
    shellcheck grub/*.sh tests/real_programs/sources/*.sh
    cargo fmt --check
    cargo clippy --release --all-targets -- -D warnings
    cargo clippy --release --features kernel --lib --tests -- -D warnings
    cargo clippy --release --no-default-features --features kernel --bin kernel -- -D warnings -C panic=abort

# Remove everything that was built, the stores of `run` included
clean:
    cargo clean

_kernel: _linker
    cargo rustc --release --no-default-features --features kernel --bin kernel -- -C panic=abort

_command: _linker
    cargo build --release

# Rust links with the C compiler.
_linker:
    @command -v cc > /dev/null || grub/packages.sh gcc libc6-dev

_boot_packages:
    @grub/packages.sh {{ boot_packages }}

_image_packages:
    @grub/packages.sh {{ image_packages }}

_disk_packages:
    @grub/packages.sh {{ disk_packages }}

_text:
    @programs/text.sh {{ text }}
