// An array of a BPF program that this process reads and writes as memory.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_IO_SHARED_MAP_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_IO_SHARED_MAP_H_

#include <sys/mman.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

namespace sallyport::media_relay {

// Thread-compatible, but for what users agree on with the program.
class SharedMap {
 public:
  // `fd` of a BPF_F_MMAPABLE array of `count` values of `size` octets, a
  // multiple of 8.
  static absl::StatusOr<SharedMap> Create(int fd, size_t count, size_t size) {
    constexpr size_t kPage = 4096;
    SharedMap map;
    map.size_ = (count * size + kPage - 1) & ~(kPage - 1);
    map.data_ = static_cast<uint8_t*>(
        mmap(nullptr, map.size_, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    if (map.data_ == MAP_FAILED) {
      map.data_ = nullptr;
      return absl::UnavailableError(
          absl::StrCat("mapping a BPF table: ", std::strerror(errno)));
    }
    return map;
  }
  SharedMap() = default;
  ~SharedMap() {
    if (data_ != nullptr) munmap(data_, size_);
  }
  SharedMap(SharedMap&& other) noexcept { *this = std::move(other); }
  SharedMap& operator=(SharedMap&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }

  bool valid() const { return data_ != nullptr; }
  template <typename Value>
  Value* values() const {
    return reinterpret_cast<Value*>(data_);
  }

 private:
  uint8_t* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_IO_SHARED_MAP_H_
