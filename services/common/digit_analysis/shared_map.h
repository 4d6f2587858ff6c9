// A map whose versions share what they have in common.

#ifndef SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_SHARED_MAP_H_
#define SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_SHARED_MAP_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/hash/hash.h"
#include "services/common/bytes/string_view.h"

namespace sallyport {

// From strings to values. A copy costs 64 pointers, a change of a copy some
// thousandth of the map: what was copied stays as it was. Thread-compatible;
// copies are independent, also on other threads.
template <typename Value>
class SharedMap {
 public:
  // Null if there is none; valid until this map changes or goes.
  const Value* Find(std::string_view key) const {
    const Place place(key);
    const Branch* branch = branches_[place.branch].get();
    if (branch == nullptr) return nullptr;
    const Leaf* leaf = (*branch)[place.leaf].get();
    if (leaf == nullptr) return nullptr;
    const auto it = leaf->find(AbslView(key));
    return it == leaf->end() ? nullptr : &it->second;
  }

  size_t size() const { return size_; }

  void Put(std::string_view key, Value value) {
    Leaf& leaf = LeafOf(Place(key));
    const auto [it, is_new] =
        leaf.insert_or_assign(std::string(key), std::move(value));
    size_ += is_new ? 1 : 0;
  }

  void Erase(std::string_view key) {
    if (Find(key) == nullptr) return;
    LeafOf(Place(key)).erase(AbslView(key));
    --size_;
  }

 private:
  static constexpr size_t kFan = 64;
  using Leaf = absl::flat_hash_map<std::string, Value>;
  using Branch = std::array<std::shared_ptr<Leaf>, kFan>;

  struct Place {
    explicit Place(std::string_view key) {
      const size_t hash = absl::Hash<absl::string_view>()(AbslView(key));
      // Not the bits that the leaves go by.
      branch = (hash >> 52) % kFan;
      leaf = (hash >> 46) % kFan;
    }
    size_t branch;
    size_t leaf;
  };

  // What `pointer` holds, this map's alone.
  template <typename T>
  static T& Own(std::shared_ptr<T>& pointer) {
    if (pointer == nullptr) {
      pointer = std::make_shared<T>();
    } else if (pointer.use_count() > 1) {
      pointer = std::make_shared<T>(*pointer);
    } else {
      // What other threads read of it, before they let go of their copies, was
      // before this.
      std::atomic_thread_fence(std::memory_order_acquire);
    }
    return *pointer;
  }

  Leaf& LeafOf(const Place& place) {
    return Own(Own(branches_[place.branch])[place.leaf]);
  }

  std::array<std::shared_ptr<Branch>, kFan> branches_;
  size_t size_ = 0;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_SHARED_MAP_H_
