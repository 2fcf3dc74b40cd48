// Whole small files, written so that a power cut leaves the old or the new one.
#pragma once

#include <sys/types.h>
#include <string>

#include "server/util/bytes.hpp"
#include "server/util/error.hpp"

namespace mpyd::server {

// Writes beside `path`, syncs, renames, syncs the directory. Errors: io, naming path and cause.
Result<void> write_file(const std::string& path, Bytes bytes, mode_t mode);

// As write_file, but refuses to replace a file that is there. Errors: also conflict.
Result<void> create_file(const std::string& path, Bytes bytes, mode_t mode);

// Replaces `to`, and syncs the directory. Both are in one file system. Errors: not_found, io.
Result<void> rename_file(const std::string& from, const std::string& to);

// Regular files only: a pipe keeps its reader waiting, and a device may have no end.
// Errors: not_found, io (also: not a regular file), limit (larger than `bytes_max`; nothing was
// read).
Result<ByteVector> read_file(const std::string& path, std::size_t bytes_max);

// For secrets, which people hand over through pipes, as in --passphrase-file <(pass show mpyd).
// Errors: as read_file.
Result<ByteVector> read_file_or_pipe(const std::string& path, std::size_t bytes_max);

// Creates one directory with exactly `mode`; one that exists must be empty of group and world
// rights beyond `mode`. Errors: io, forbidden.
Result<void> make_directory(const std::string& path, mode_t mode);

// "cannot open /x: No such file or directory"
Error errno_error(std::string_view what, const std::string& path);

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
