#include "server/app/backup_file.hpp"

#include <algorithm>

namespace mpyd::server {
namespace {

constexpr std::uint8_t kBackupFormat = 1;
constexpr std::uint8_t kInClear = 0;
constexpr std::uint8_t kSealed = 1;
constexpr std::size_t kHeadBytes = kBackupMagic.size() + 2;
constexpr std::size_t kNameBytesMax = 64;
constexpr std::string_view kKeyName = "server.key";

std::array<std::byte, 8> u64_bytes(std::uint64_t value) {
  std::array<std::byte, 8> out;
  store_le32(out, 0, static_cast<std::uint32_t>(value));
  store_le32(out, 4, static_cast<std::uint32_t>(value >> 32));
  return out;
}

Error cut_off() { return Error(Errc::truncated, "it was cut off"); }

}  // namespace

bool is_backup_name(std::string_view name) {
  if (name == "mpyd.db") return true;
  if (!name.starts_with(kKeyName) || name.size() > kNameBytesMax) return false;
  name.remove_prefix(kKeyName.size());
  if (name.empty() || name == ".next" || name == ".old") return true;
  constexpr std::string_view kOld = ".old.";
  return name.starts_with(kOld) && name.size() > kOld.size() &&
         std::ranges::all_of(name.substr(kOld.size()), [](char c) { return c >= '0' && c <= '9'; });
}

Result<BackupWriter> BackupWriter::create(const std::string& path, Bytes passphrase,
                                          std::uint64_t time_unix_s) {
  MPYD_TRY_ASSIGN(NewFile file, NewFile::create(path, 0600));
  BackupWriter out(std::make_unique<NewFile>(std::move(file)));
  std::array<std::byte, 2> head{std::byte{kBackupFormat},
                                std::byte{passphrase.empty() ? kInClear : kSealed}};
  MPYD_TRY(out.file_->write(as_bytes(kBackupMagic)));
  MPYD_TRY(out.file_->write(head));
  if (!passphrase.empty()) {
    MPYD_TRY_ASSIGN(out.sealer_,
                    StreamSealer::start(passphrase, [to = out.file_.get()](Bytes sealed) {
                      return to->write(sealed);
                    }));
  }
  MPYD_TRY(out.put(u64_bytes(time_unix_s)));
  return out;
}

Result<void> BackupWriter::put(Bytes content) {
  digest_.update(content);
  return sealer_ ? sealer_->write(content) : file_->write(content);
}

Result<void> BackupWriter::begin(std::string_view name, std::uint64_t size) {
  const std::array<std::byte, 1> length{static_cast<std::byte>(name.size())};
  MPYD_TRY(put(length));
  MPYD_TRY(put(as_bytes(name)));
  return put(u64_bytes(size));
}

Result<void> BackupWriter::write(Bytes bytes) { return put(bytes); }

Result<void> BackupWriter::commit() {
  MPYD_TRY(put(std::array<std::byte, 1>{}));
  const Digest digest = digest_.finish();
  if (sealer_) {
    MPYD_TRY(sealer_->write(digest.bytes()));
    MPYD_TRY(sealer_->finish());
  } else {
    MPYD_TRY(file_->write(digest.bytes()));
  }
  return file_->commit();
}

Result<BackupReader> BackupReader::open(const std::string& path, const Passphrase& passphrase) {
  MPYD_TRY_ASSIGN(FileReader file, FileReader::open(path));
  BackupReader out(std::make_unique<FileReader>(std::move(file)));
  std::array<std::byte, kHeadBytes> head;
  MPYD_TRY_ASSIGN(const std::size_t got, out.file_->read(head));
  const Bytes magic = Bytes(head).first(kBackupMagic.size());
  if (got < head.size() || as_text(magic) != kBackupMagic)
    return fail(Errc::bad_magic, path + " is no backup of an mpyd server");
  const std::uint32_t format = load_u8(head, kBackupMagic.size());
  const std::uint32_t encryption = load_u8(head, kBackupMagic.size() + 1);
  if (format == kBackupFormat && encryption > kSealed)
    return fail(Errc::malformed, path +
                                     " is damaged: it says neither that it is encrypted nor that "
                                     "it is not");
  if (format != kBackupFormat)
    return fail(Errc::unsupported, path + " is a backup of format " + std::to_string(format) +
                                       ", this mpyd reads format " + std::to_string(kBackupFormat) +
                                       "; restore it with the mpyd that made it, or a newer one");
  *out.done_ = head.size();
  if (encryption == kSealed) {
    MPYD_TRY_ASSIGN(const LockedBytes text, passphrase());
    const auto source = [from = out.file_.get(),
                         done = out.done_.get()](MutableBytes into) -> Result<std::size_t> {
      MPYD_TRY_ASSIGN(const std::size_t count, from->read(into));
      *done += count;
      return count;
    };
    auto opener = StreamOpener::start(text.span(), source);
    if (!opener) return fail(std::move(opener).error().with(path));
    out.opener_.emplace(*std::move(opener));
  }
  auto time = out.read_u64();
  if (!time) return fail(std::move(time).error().with(path));
  out.time_unix_s_ = *time;
  return out;
}

Result<std::size_t> BackupReader::read_some(MutableBytes out) {
  if (opener_) return opener_->read(out);
  MPYD_TRY_ASSIGN(const std::size_t got, file_->read(out));
  *done_ += got;
  return got;
}

Result<void> BackupReader::read(MutableBytes out) {
  MPYD_TRY_ASSIGN(const std::size_t got, read_some(out));
  if (got < out.size()) return fail(cut_off());
  digest_.update(out);
  return {};
}

Result<std::uint64_t> BackupReader::read_u64() {
  std::array<std::byte, 8> bytes;
  MPYD_TRY(read(bytes));
  return std::uint64_t{load_le32(bytes, 4)} << 32 | load_le32(bytes, 0);
}

Result<void> BackupReader::check_end() {
  const Digest expected = digest_.finish();
  Digest stored;
  MPYD_TRY_ASSIGN(const std::size_t got, read_some(stored.mutable_bytes()));
  if (got < Digest::kSize) return fail(cut_off());
  if (stored != expected) return fail(Errc::bad_digest, "it was changed after it was written");
  std::array<std::byte, 1> more;
  MPYD_TRY_ASSIGN(const std::size_t after, read_some(more));
  if (after != 0) return fail(Errc::trailing, "something follows its end");
  return {};
}

Result<std::optional<BackupReader::Entry>> BackupReader::next() {
  std::array<std::byte, 1> length;
  MPYD_TRY(read(length));
  Entry entry;
  entry.name.resize(load_u8(length, 0));
  if (entry.name.empty()) {
    MPYD_TRY(check_end());
    return std::optional<Entry>();
  }
  if (entry.name.size() > kNameBytesMax)
    return fail(Errc::malformed,
                "an entry has a name of " + std::to_string(entry.name.size()) + " bytes");
  MPYD_TRY(read(std::as_writable_bytes(std::span(entry.name))));
  MPYD_TRY_ASSIGN(entry.size, read_u64());
  if (!is_backup_name(entry.name))
    return fail(Errc::malformed, "it holds what is in no data directory");
  // Anybody makes a file in clear, and which it is stands outside the seal.
  if (entry.name != "mpyd.db" && !is_sealed())
    return fail(Errc::malformed, "it holds " + entry.name + " in clear, which no backup does");
  if (entry.name != "mpyd.db" && entry.size > kBackupKeyBytesMax)
    return fail(Errc::malformed, entry.name + " is too large for a key file");
  return std::optional(std::move(entry));
}

}  // namespace mpyd::server
