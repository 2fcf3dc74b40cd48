#include "server/util/file.hpp"

#include <fcntl.h>
#include <pwd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace mpyd::server {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }

 private:
  int fd_;
};

// "alice", or "uid 1000" of one without a name.
std::string user_name(uid_t uid) {
  std::array<char, 4096> text;
  passwd entry{};
  passwd* found = nullptr;
  if (::getpwuid_r(uid, &entry, text.data(), text.size(), &found) == 0 && found != nullptr)
    return found->pw_name;
  return "uid " + std::to_string(uid);
}

std::string directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Result<void> write_some(int fd, Bytes bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return fail(errno_error("cannot write", path));
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return {};
}

Result<void> write_all(int fd, Bytes bytes, const std::string& path) {
  MPYD_TRY(write_some(fd, bytes, path));
  if (::fsync(fd) != 0) return fail(errno_error("cannot sync", path));
  return {};
}

Result<void> sync_directory(const std::string& path) {
  const Descriptor directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.valid()) return fail(errno_error("cannot open", path));
  if (::fsync(directory.get()) != 0) return fail(errno_error("cannot sync", path));
  return {};
}

Error too_large(const std::string& path, std::size_t bytes_max) {
  return Error(Errc::limit, path + " is larger than " + std::to_string(bytes_max) + " bytes");
}

// One byte more than allowed is asked for: a file that grows, or a device, is told from one that
// just fits.
Result<ByteVector> read_all(int fd, const std::string& path, std::size_t bytes_max) {
  ByteVector out;
  while (true) {
    const std::size_t had = out.size();
    out.resize(std::min(bytes_max + 1, had + 65536));
    const ssize_t got = ::read(fd, out.data() + had, out.size() - had);
    if (got < 0 && errno == EINTR) {
      out.resize(had);
      continue;
    }
    if (got < 0) return fail(errno_error("cannot read", path));
    out.resize(had + static_cast<std::size_t>(got));
    if (out.size() > bytes_max) return fail(too_large(path, bytes_max));
    if (got == 0) return out;
  }
}

// Writes `bytes` into a new temporary file beside `path`; returns its name.
Result<std::string> write_temporary(const std::string& path, Bytes bytes, mode_t mode,
                                    const std::optional<FileOwner>& owner = std::nullopt) {
  std::string temporary = path + ".XXXXXX";
  const Descriptor file(::mkostemp(temporary.data(), O_CLOEXEC));
  if (!file.valid()) return fail(errno_error("cannot create", path));
  if (owner) (void)!::fchown(file.get(), owner->user, owner->group);
  Result<void> written = {};
  if (::fchmod(file.get(), mode) != 0)
    written = fail(errno_error("cannot set the mode of", path));
  else
    written = write_all(file.get(), bytes, path);
  if (!written) {
    ::unlink(temporary.c_str());
    return fail(std::move(written).error());
  }
  return temporary;
}

}  // namespace

Error errno_error(std::string_view what, const std::string& path) {
  const int cause = errno;
  const Errc code = cause == ENOENT ? Errc::not_found : cause == EEXIST ? Errc::conflict : Errc::io;
  return Error(code, std::string(what) + " " + path + ": " + std::strerror(cause));
}

Result<FileOwner> owner_of(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return fail(errno_error("cannot look at", path));
  return FileOwner{status.st_uid, status.st_gid};
}

Result<void> write_file(const std::string& path, Bytes bytes, mode_t mode,
                        const std::optional<FileOwner>& owner) {
  MPYD_TRY_ASSIGN(const std::string temporary, write_temporary(path, bytes, mode, owner));
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    Error error = errno_error("cannot replace", path);
    ::unlink(temporary.c_str());
    return fail(std::move(error));
  }
  return sync_directory(directory_of(path));
}

Result<NewFile> NewFile::create(const std::string& path, mode_t mode) {
  std::string temporary = path + ".XXXXXX";
  const int fd = ::mkostemp(temporary.data(), O_CLOEXEC);
  if (fd < 0) return fail(errno_error("cannot create", path));
  NewFile file(path, std::move(temporary), fd);
  if (::fchmod(fd, mode) != 0) return fail(errno_error("cannot set the mode of", path));
  return file;
}

NewFile::NewFile(NewFile&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::exchange(other.temporary_, {})),
      fd_(std::exchange(other.fd_, -1)) {}

NewFile::~NewFile() {
  if (fd_ >= 0) ::close(fd_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

Result<void> NewFile::write(Bytes bytes) { return write_some(fd_, bytes, path_); }

Result<void> NewFile::commit() {
  if (::fsync(fd_) != 0) return fail(errno_error("cannot sync", path_));
  if (::renameat2(AT_FDCWD, temporary_.c_str(), AT_FDCWD, path_.c_str(), RENAME_NOREPLACE) != 0) {
    // Network file systems know no such rename, but links.
    if (errno != EINVAL || ::link(temporary_.c_str(), path_.c_str()) != 0)
      return fail(errno_error("cannot create", path_));
    ::unlink(temporary_.c_str());
  }
  temporary_.clear();
  return sync_directory(directory_of(path_));
}

Result<void> rename_file(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0)
    return fail(errno_error("cannot rename " + from + " to", to));
  return sync_directory(directory_of(to));
}

Result<void> create_file(const std::string& path, Bytes bytes, mode_t mode) {
  MPYD_TRY_ASSIGN(const std::string temporary, write_temporary(path, bytes, mode));
  const int linked = ::link(temporary.c_str(), path.c_str());
  Error error = errno_error("cannot create", path);
  ::unlink(temporary.c_str());
  if (linked != 0) return fail(std::move(error));
  return sync_directory(directory_of(path));
}

namespace {

Error not_regular(const std::string& path, const struct stat& status) {
  return {Errc::io, "cannot read " + path + ": it is " +
                        (S_ISDIR(status.st_mode) ? "a folder, not a regular file; name a file in it"
                                                 : "not a regular file")};
}

}  // namespace

Result<ByteVector> read_file(const std::string& path, std::size_t bytes_max) {
  // O_NONBLOCK: to open a pipe would wait for its writer.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!file.valid()) return fail(errno_error("cannot open", path));
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) return fail(errno_error("cannot read", path));
  if (!S_ISREG(status.st_mode)) return fail(not_regular(path, status));
  if (static_cast<std::uintmax_t>(status.st_size) > bytes_max)
    return fail(too_large(path, bytes_max));
  return read_all(file.get(), path, bytes_max);
}

Result<FileReader> FileReader::open(const std::string& path) { return open(path, 0, std::nullopt); }

Result<FileReader> FileReader::open_of(const std::string& path, uid_t owner) {
  return open(path, O_NOFOLLOW, owner);
}

Result<FileReader> FileReader::open(const std::string& path, int flags,
                                    const std::optional<uid_t>& owner) {
  const int fd = ::open(path.c_str(), flags | O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0 && errno == ELOOP && (flags & O_NOFOLLOW) != 0)
    return fail(Errc::forbidden,
                path + " is a link, and may lead anywhere; put the file itself there");
  if (fd < 0) return fail(errno_error("cannot open", path));
  FileReader file(path, fd, 0);
  struct stat status {};
  if (::fstat(fd, &status) != 0) return fail(errno_error("cannot read", path));
  if (!S_ISREG(status.st_mode)) return fail(not_regular(path, status));
  if (owner && status.st_uid != *owner)
    return fail(Errc::forbidden, path + " belongs to " + user_name(status.st_uid) + ", not to " +
                                     user_name(*owner) +
                                     " as its folder does; chown it, or move it away");
  file.size_ = static_cast<std::uint64_t>(status.st_size);
  return file;
}

FileReader::~FileReader() {
  if (fd_ >= 0) ::close(fd_);
}

Result<std::size_t> FileReader::read(MutableBytes out) {
  std::size_t filled = 0;
  while (filled < out.size()) {
    const ssize_t got = ::read(fd_, out.data() + filled, out.size() - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail(errno_error("cannot read", path_));
    if (got == 0) break;
    filled += static_cast<std::size_t>(got);
  }
  return filled;
}

namespace {

// Of `owner`, who is another one.
Error not_ours(const std::string& path, std::string_view what, uid_t owner) {
  return {Errc::forbidden, path + " belongs to " + user_name(owner) + ", who may exchange " +
                               std::string(what) + "; make it yours, chown " +
                               user_name(::geteuid()) + " " + path + ", or name another"};
}

Result<void> check_secret(const std::string& path, const struct stat& status, SecretOwner owner) {
  if ((status.st_mode & 077U) != 0)
    return fail(Errc::forbidden,
                path + " is a secret, but others may read it; close it first: chmod 600 " + path);
  if (status.st_uid == ::geteuid() || status.st_uid == 0) return {};
  if (owner == SecretOwner::folder_too) {
    const auto folder = owner_of(directory_of(path));
    if (folder && folder->user == status.st_uid) return {};
  }
  return fail(not_ours(path, "the secret in it", status.st_uid));
}

}  // namespace

Result<ByteVector> read_file_or_pipe(const std::string& path, std::size_t bytes_max,
                                     SecretOwner owner) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (!file.valid()) return fail(errno_error("cannot open", path));
  struct stat status {};
  if (::fstat(file.get(), &status) == 0 && S_ISDIR(status.st_mode))
    return fail(not_regular(path, status));
  if (S_ISREG(status.st_mode)) MPYD_TRY(check_secret(path, status, owner));
  return read_all(file.get(), path, bytes_max);
}

Result<void> make_directory(const std::string& path, mode_t mode) {
  if (::mkdir(path.c_str(), mode) != 0 && errno != EEXIST)
    return fail(errno_error("cannot create the directory", path));
  MPYD_TRY(check_directory(path, mode));
  MPYD_TRY_ASSIGN(const FileOwner owner, owner_of(path));
  if (owner.user == ::geteuid()) return {};
  return fail(not_ours(path, "what is put there", owner.user));
}

Result<void> check_directory(const std::string& path, mode_t mode) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return fail(errno_error("cannot look at", path));
  if (!S_ISDIR(status.st_mode)) return fail(Errc::io, path + " is there, but is not a directory");
  if ((status.st_mode & 077U & ~mode) != 0)
    return fail(Errc::forbidden,
                path + " is open to others on this machine; close it first: chmod 700 " + path);
  return {};
}

bool is_still_named(int fd, const std::string& path) {
  struct stat opened {};
  struct stat named {};
  return ::fstat(fd, &opened) == 0 && ::stat(path.c_str(), &named) == 0 &&
         opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

Result<FileLock> FileLock::acquire(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return fail(errno_error("cannot open the lock file", path));
  FileLock lock(fd);
  if (::flock(fd, LOCK_EX | LOCK_NB) == 0) {
    // Whoever had it may have removed it on leaving, and another one made it anew.
    if (is_still_named(fd, path)) return lock;
    return fail(Errc::conflict, path + " was removed by another process just now");
  }
  if (errno == EWOULDBLOCK) return fail(Errc::conflict, path + " is locked by another process");
  return fail(errno_error("cannot lock", path));
}

FileLock::~FileLock() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace mpyd::server
