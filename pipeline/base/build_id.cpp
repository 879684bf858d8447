#include "pipeline/base/build_id.hpp"

#include <elf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cstring>
#include <string_view>
#include <vector>

#include "pipeline/base/file.hpp"

namespace mlpipe {
namespace {

constexpr std::size_t largest_notes = std::size_t{1} << 20U;

// Exactly `size` bytes from `offset`, or nothing.
std::optional<std::string> read_at(const FileDescriptor& file, std::uint64_t offset, std::size_t size) {
  std::string bytes(size, '\0');
  const ssize_t count = ::pread(file.get(), bytes.data(), size, static_cast<off_t>(offset));
  return count == static_cast<ssize_t>(size) ? std::optional(std::move(bytes)) : std::nullopt;
}

template <typename Header>
std::optional<Header> header_at(const FileDescriptor& file, std::uint64_t offset) {
  const auto bytes = read_at(file, offset, sizeof(Header));
  if (!bytes) {
    return std::nullopt;
  }
  Header header;
  std::memcpy(&header, bytes->data(), sizeof header);
  return header;
}

std::size_t padded(std::size_t size) {
  return (size + 3) / 4 * 4;
}

std::optional<std::string> build_id_in(std::string_view notes) {
  while (notes.size() >= sizeof(Elf64_Nhdr)) {
    Elf64_Nhdr note;
    std::memcpy(&note, notes.data(), sizeof note);
    notes.remove_prefix(sizeof note);
    if (note.n_namesz > largest_notes || note.n_descsz > largest_notes ||
        padded(note.n_namesz) + padded(note.n_descsz) > notes.size()) {
      return std::nullopt;
    }
    const std::string_view name = notes.substr(0, note.n_namesz);
    const std::string_view content = notes.substr(padded(note.n_namesz), note.n_descsz);
    if (note.n_type == NT_GNU_BUILD_ID && name == std::string_view("GNU\0", 4)) {
      std::string text;
      for (const char byte : content) {
        text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
      }
      return text;
    }
    notes.remove_prefix(padded(note.n_namesz) + padded(note.n_descsz));
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> build_id_of(const std::filesystem::path& program) {
  const FileDescriptor file = open_file(program, O_RDONLY);
  const auto elf = header_at<Elf64_Ehdr>(file, 0);
  if (!elf || std::memcmp(elf->e_ident, ELFMAG, SELFMAG) != 0 || elf->e_ident[EI_CLASS] != ELFCLASS64) {
    return std::nullopt;
  }
  for (std::size_t i = 0; i < elf->e_phnum; ++i) {
    const auto segment = header_at<Elf64_Phdr>(file, elf->e_phoff + i * sizeof(Elf64_Phdr));
    if (!segment || segment->p_type != PT_NOTE || segment->p_filesz > largest_notes) {
      continue;
    }
    const auto notes = read_at(file, segment->p_offset, segment->p_filesz);
    if (auto id = notes ? build_id_in(*notes) : std::nullopt) {
      return id;
    }
  }
  return std::nullopt;
}

}  // namespace mlpipe
