// The file that a backup is: schema/backup.md. Entries go in and come out in order; what they mean
// is server/app/backup.hpp's.
#pragma once

#include <optional>
#include <string>

#include "server/crypto/sealed_stream.hpp"
#include "server/util/file.hpp"

namespace mpyd::server {

inline constexpr std::string_view kBackupMagic = "mpyd-backup\n";
inline constexpr std::uint64_t kBackupKeyBytesMax = 1024;  // of a key file

// Is it the database's name, or one of a server's key files?
bool is_backup_name(std::string_view name);

class BackupWriter {
 public:
  // In clear if the passphrase is empty. Errors: memory, io.
  static Result<BackupWriter> create(const std::string& path, Bytes passphrase,
                                     std::uint64_t time_unix_s);

  // An entry, then its `size` bytes in any pieces.
  Result<void> begin(std::string_view name, std::uint64_t size);
  Result<void> write(Bytes bytes);
  // The file is there, 0600. Errors: conflict (a file is there), io.
  Result<void> commit();

 private:
  explicit BackupWriter(std::unique_ptr<NewFile> file) : file_(std::move(file)) {}
  Result<void> put(Bytes content);

  std::unique_ptr<NewFile> file_;  // at one place: the sealer holds on to it
  std::optional<StreamSealer> sealer_;
  crypto::Sha256 digest_;
};

class BackupReader {
 public:
  // Asks for the passphrase only if the backup has one. Errors: not_found, io, bad_magic (no
  // backup), unsupported (a newer format), truncated, decryption, and the provider's.
  using Passphrase = std::function<Result<LockedBytes>()>;
  static Result<BackupReader> open(const std::string& path, const Passphrase& passphrase);

  std::uint64_t time_unix_s() const { return time_unix_s_; }
  bool is_sealed() const { return opener_.has_value(); }
  std::uint64_t done() const { return *done_; }  // bytes of the file, of
  std::uint64_t size() const { return file_->size(); }

  struct Entry {
    std::string name;
    std::uint64_t size = 0;
  };
  // The next one, or nothing at the end, where everything read was right. The bytes of the entry
  // before must have been read. Errors: truncated, trailing, malformed, bad_digest, decryption.
  Result<std::optional<Entry>> next();
  // Of the entry: fills `out`, which is no longer than what is left of it.
  Result<void> read(MutableBytes out);

 private:
  explicit BackupReader(std::unique_ptr<FileReader> file)
      : file_(std::move(file)), done_(std::make_unique<std::uint64_t>(0)) {}
  Result<std::size_t> read_some(MutableBytes out);
  Result<std::uint64_t> read_u64();
  Result<void> check_end();

  std::unique_ptr<FileReader> file_;  // at one place: the opener holds on to it
  std::unique_ptr<std::uint64_t> done_;
  std::optional<StreamOpener> opener_;
  crypto::Sha256 digest_;
  std::uint64_t time_unix_s_ = 0;
};

}  // namespace mpyd::server
