#include "tests/support/i2c/description.hpp"

#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace mpyd::test::i2c {
namespace {

std::string read_all(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::uint64_t number(const std::string& text) { return std::stoull(text, nullptr, 0); }

// A word behind a part, "name" or "name=value". False: unknown.
bool apply_kind(const std::string& name, const std::string& value, MemoryKind& kind) {
  if (name == "protected" || name == "refusing") {
    kind.is_protected = true;
    kind.refuses_data = name == "refusing";
  } else if (name == "width") {
    kind.address_bytes = static_cast<unsigned>(number(value));
  } else if (name == "size") {
    kind.size = static_cast<std::uint32_t>(number(value));
  } else if (name == "page") {
    kind.page = static_cast<std::uint32_t>(number(value));
  } else {
    return false;
  }
  return true;
}

bool apply_fault(const std::string& name, const std::string& value, Slave& slave) {
  if (name == "channel") {
    slave.channel = static_cast<int>(number(value));
    return true;
  }
  Failure failure = Failure::none;
  if (name == "gone") failure = Failure::gone;
  if (name == "garbage") failure = Failure::garbage;
  if (name == "stuck") failure = Failure::stuck_sda;
  if (name == "stretches") failure = Failure::stretches_scl;
  if (failure == Failure::none) return false;
  slave.fail_from(number(value), failure);
  return true;
}

std::vector<std::pair<std::string, std::string>> words_of(std::istringstream& line) {
  std::vector<std::pair<std::string, std::string>> out;
  for (std::string word; line >> word;) {
    const std::size_t equals = word.find('=');
    out.emplace_back(word.substr(0, equals),
                     equals == std::string::npos ? "" : word.substr(equals + 1));
  }
  return out;
}

DescribedMemory add_part(std::istringstream& line, const std::string& folder, Bus& bus) {
  std::string type, address, file;
  line >> type >> address >> file;
  MemoryKind kind = memory_kind(type);
  kind.address = static_cast<std::uint8_t>(number(address));
  const auto words = words_of(line);
  for (const auto& [name, value] : words) apply_kind(name, value, kind);
  const std::string path = folder + "/" + file;
  Memory& memory = bus.add<Memory>(kind, as_bytes(read_all(path)));
  for (const auto& [name, value] : words) {
    MemoryKind ignored;
    if (!apply_kind(name, value, ignored) && !apply_fault(name, value, memory))
      throw std::runtime_error("unknown word " + name);
  }
  return {&memory, path};
}

void add_registers(std::istringstream& line, Bus& bus) {
  RegisterKind kind;
  std::string address;
  line >> address;
  kind.address = static_cast<std::uint8_t>(number(address));
  Buffer content;
  for (std::string byte; line >> byte;)
    content.push_back(static_cast<std::byte>(std::stoul(byte, nullptr, 16)));
  kind.registers = static_cast<unsigned>(content.size());
  bus.add<Registers>(kind, content);
}

}  // namespace

std::vector<DescribedMemory> describe(const std::string& path, Bus& bus) {
  std::vector<DescribedMemory> out;
  const std::string folder = std::filesystem::path(path).parent_path().string();
  std::istringstream text(read_all(path));
  for (std::string row; std::getline(text, row);) try {
      std::istringstream line(row.substr(0, row.find('#')));
      std::string what, address;
      if (!(line >> what)) continue;
      if (what == "part") {
        out.push_back(add_part(line, folder.empty() ? "." : folder, bus));
      } else if (what == "registers") {
        add_registers(line, bus);
      } else if (what == "stream" && line >> address) {
        bus.add<Stream>(static_cast<std::uint8_t>(number(address)));
      } else if (what == "mux" && line >> address) {
        bus.add<Mux>(static_cast<std::uint8_t>(number(address)));
      } else {
        throw std::runtime_error("unknown device " + what);
      }
    } catch (const std::exception& error) {
      throw std::runtime_error(path + ": " + row + ": " + error.what());
    }
  return out;
}

void save(const std::vector<DescribedMemory>& memories) {
  for (const DescribedMemory& described : memories) {
    const Buffer content = described.memory->content();
    const std::string text(as_text(content));
    if (described.memory->changes() == 0 && std::filesystem::exists(described.file)) continue;
    std::ofstream(described.file, std::ios::binary | std::ios::trunc) << text;
  }
}

}  // namespace mpyd::test::i2c
