// Whole small files, written so that a power cut leaves the old or the new one.
#pragma once

#include <sys/types.h>
#include <optional>
#include <string>
#include <utility>

#include "server/util/bytes.hpp"
#include "server/util/error.hpp"

namespace mpyd::server {

struct FileOwner {
  uid_t user = 0;
  gid_t group = 0;
};
Result<FileOwner> owner_of(const std::string& path);  // not_found, io

// Writes beside `path`, syncs, renames, syncs the directory. With an `owner` it is theirs before it
// has its name, if this process may give files away. Errors: io, naming path and cause.
Result<void> write_file(const std::string& path, Bytes bytes, mode_t mode,
                        const std::optional<FileOwner>& owner = std::nullopt);

// As write_file, but refuses to replace a file that is there. Errors: also conflict.
Result<void> create_file(const std::string& path, Bytes bytes, mode_t mode);

// A new file, written piece by piece beside its place; there only once it is complete. Destroyed
// before commit() it leaves nothing.
class NewFile {
 public:
  // Errors: io.
  static Result<NewFile> create(const std::string& path, mode_t mode);
  NewFile(NewFile&& other) noexcept;
  NewFile& operator=(NewFile&&) = delete;
  ~NewFile();

  Result<void> write(Bytes bytes);
  // Syncs and puts it in place. Errors: conflict (a file is there), io.
  Result<void> commit();

 private:
  NewFile(std::string path, std::string temporary, int fd)
      : path_(std::move(path)), temporary_(std::move(temporary)), fd_(fd) {}

  std::string path_;
  std::string temporary_;  // empty: there is none any more
  int fd_ = -1;
};

// Replaces `to`, and syncs the directory. Both are in one file system. Errors: not_found, io.
Result<void> rename_file(const std::string& from, const std::string& to);

// Regular files only: a pipe keeps its reader waiting, and a device may have no end.
// Errors: not_found, io (also: not a regular file), limit (larger than `bytes_max`; nothing was
// read).
Result<ByteVector> read_file(const std::string& path, std::size_t bytes_max);

// A large file, read from front to end in one's own buffer.
class FileReader {
 public:
  // Regular files only. Errors: not_found, io.
  static Result<FileReader> open(const std::string& path);
  // In a folder of another user, who may put there what is not his: the file itself, no link, and
  // only if `owner` owns it. Errors: also forbidden.
  static Result<FileReader> open_of(const std::string& path, uid_t owner);
  FileReader(FileReader&& other) noexcept
      : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)), size_(other.size_) {}
  FileReader& operator=(FileReader&&) = delete;
  ~FileReader();

  std::uint64_t size() const { return size_; }  // when it was opened
  // Fills `out`; fewer bytes only at the end. Errors: io.
  Result<std::size_t> read(MutableBytes out);

 private:
  static Result<FileReader> open(const std::string& path, int flags,
                                 const std::optional<uid_t>& owner);
  FileReader(std::string path, int fd, std::uint64_t size)
      : path_(std::move(path)), fd_(fd), size_(size) {}

  std::string path_;
  int fd_ = -1;
  std::uint64_t size_ = 0;
};

// Whose a secret's file may be: the effective user's or root's, else its owner may exchange it and
// knows it anyway. `folder_too`: also the owner's of the folder it lies in, as a service's are,
// whom root looks after.
enum class SecretOwner : std::uint8_t { self, folder_too };

// For secrets, which people hand over through pipes, as in --passphrase-file <(pass show mpyd).
// Errors: as read_file; forbidden (a file that others may read, or that is another user's).
Result<ByteVector> read_file_or_pipe(const std::string& path, std::size_t bytes_max,
                                     SecretOwner owner = SecretOwner::self);

// For what is made anew. Creates one directory with exactly `mode`; one that exists must be the
// effective user's, and empty of group and world rights beyond `mode`. Errors: io, forbidden.
Result<void> make_directory(const std::string& path, mode_t mode);
// A directory that is there, whosever it is: root looks after those of services. Errors: io,
// forbidden (group or world have rights beyond `mode`).
Result<void> check_directory(const std::string& path, mode_t mode);

// "cannot open /x: No such file or directory"
Error errno_error(std::string_view what, const std::string& path);

// Whether `path` still names the file that `fd` has open: another process may have removed or
// replaced it.
bool is_still_named(int fd, const std::string& path);

// An advisory lock on a file, held until destruction or the end of the process.
class FileLock {
 public:
  // Errors: conflict (another process holds it), io.
  static Result<FileLock> acquire(const std::string& path);
  FileLock(FileLock&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  FileLock& operator=(FileLock&&) = delete;
  ~FileLock();

 private:
  explicit FileLock(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace mpyd::server
