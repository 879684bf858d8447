#include "tests/containers/packed_root.hpp"

#include "pipeline/base/error.hpp"
#include "pipeline/base/process.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

constexpr const char* make_root = R"sh(set -eu
umask 022
root=$1; shift
mkdir -p "$root/usr/local/bin" "$root/usr/bin" "$root/etc" "$root/tmp"
chmod 1777 "$root/tmp"
ln -s usr/bin "$root/bin"
printf 'root:x:0:0::/:/bin/sh\nmlpipe:x:65532:65532::/tmp:/bin/sh\n' > "$root/etc/passwd"
printf 'root:x:0:\nmlpipe:x:65532:\n' > "$root/etc/group"
for program in "$@"; do
  ln -sf "$program" "$root/usr/local/bin/"
  { echo "$program"; ldd "$program" | grep -o '/[^ )]*'; } | while read -r file; do
    [ -e "$root$file" ] || { mkdir -p "$root$(dirname "$file")"; cp -L "$file" "$root$file"; }
  done
  case $program in
    */perl) for modules in $(perl -e 'print join " ", grep { /perl-base$/ } @INC'); do
        mkdir -p "$root$modules" && cp -rL "$modules/." "$root$modules"
      done ;;
  esac
done
)sh";

void run_or_throw(std::vector<std::string> arguments, const std::string& doing) {
  Command command;
  command.arguments = std::move(arguments);
  const Captured done = run_and_capture(command);
  if (!done.ending.succeeded()) {
    throw Error(doing + ": " + done.error);
  }
}

}  // namespace

void pack_root(const fs::path& root, const std::vector<std::string>& programs) {
  Environment environment = own_environment();
  environment["PATH"] += ":/usr/sbin";
  std::vector<std::string> arguments = {"/bin/sh", "-c", make_root, "make-root", root.string()};
  for (const std::string& program : programs) {
    arguments.push_back(find_program(program, environment).string());
  }
  run_or_throw(std::move(arguments), "packing an image");
}

void pack_tar(const fs::path& root, const fs::path& tar) {
  run_or_throw({"tar", "--create", "--file", tar.string(), "--directory", root.string(), "--sort=name",
                "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner", "."},
               "packing an image");
}

const std::vector<std::string>& jobs_image_programs() {
  static const std::vector<std::string> programs = {"sh",    "cat",   "cut",   "env", "grep", "head",
                                                    "id",    "ls",    "mkdir", "od",  "perl", "setsid",
                                                    "sleep", "touch", "tr",    "true"};
  return programs;
}

}  // namespace mlpipe
