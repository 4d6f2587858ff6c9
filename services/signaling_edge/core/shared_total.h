// A sum that loops share.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SHARED_TOTAL_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SHARED_TOTAL_H_

#include <atomic>
#include <cstddef>

namespace sallyport::signaling_edge {

// As one loop sees it, with what it has itself. Loop thread only.
class SharedTotal {
 public:
  // Null: there are no others.
  explicit SharedTotal(std::atomic<size_t>* all) : all_(all) {}
  ~SharedTotal() { Set(0); }
  SharedTotal(const SharedTotal&) = delete;
  SharedTotal& operator=(const SharedTotal&) = delete;

  void Set(size_t mine) {
    if (mine == told_) return;
    // Unsigned: what is taken away wraps around.
    if (all_ != nullptr) all_->fetch_add(mine - told_);
    told_ = mine;
  }
  // What the other loops have.
  size_t elsewhere() const {
    return all_ == nullptr ? 0 : all_->load(std::memory_order_relaxed) - told_;
  }

 private:
  std::atomic<size_t>* const all_;
  size_t told_ = 0;
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SHARED_TOTAL_H_
