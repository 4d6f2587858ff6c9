// The checksum of a plan, kept up to date change by change.

#ifndef SALLYPORT_SERVICES_COMMON_PLAN_SNAPSHOT_PLAN_CHECKSUM_H_
#define SALLYPORT_SERVICES_COMMON_PLAN_SNAPSHOT_PLAN_CHECKSUM_H_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace sallyport {

// The sum modulo 2^256 of SHA-256(name LF etag LF) over all resources, so that
// a change costs two hashes however large the plan is. It finds lost and
// doubled updates between parties that trust each other; it is no proof
// against one who chooses etags. Thread-compatible.
class PlanChecksum {
 public:
  void Add(std::string_view name, std::string_view etag);
  // What was added before.
  void Remove(std::string_view name, std::string_view etag);

  // Adds all that `other` holds.
  void Merge(const PlanChecksum& other) { AddHash(other.sum_); }
  // Removes all that `other` holds, which was added before.
  void Subtract(const PlanChecksum& other) { RemoveHash(other.sum_); }

  // 64 lower-case hex digits; all zero for nothing.
  std::string Hex() const;

  bool operator==(const PlanChecksum&) const = default;

 private:
  void AddHash(const std::array<uint8_t, 32>& hash);
  void RemoveHash(const std::array<uint8_t, 32>& hash);

  std::array<uint8_t, 32> sum_{};  // big-endian
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_PLAN_SNAPSHOT_PLAN_CHECKSUM_H_
