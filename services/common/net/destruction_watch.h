// Tells whether an object was destroyed by a callback that it made.

#ifndef SALLYPORT_SERVICES_COMMON_NET_DESTRUCTION_WATCH_H_
#define SALLYPORT_SERVICES_COMMON_NET_DESTRUCTION_WATCH_H_

namespace sallyport {

// The object has a `bool* destroyed_ = nullptr` and its destructor says
// `if (destroyed_ != nullptr) *destroyed_ = true;`. Around a callback it keeps
// a DestructionWatch of that pointer on the stack. Watches of one object do
// not nest. Loop thread only.
class DestructionWatch {
 public:
  explicit DestructionWatch(bool*& slot) : slot_(slot) { slot_ = &destroyed_; }
  ~DestructionWatch() {
    if (!destroyed_) slot_ = nullptr;
  }
  DestructionWatch(const DestructionWatch&) = delete;
  DestructionWatch& operator=(const DestructionWatch&) = delete;

  // Once true, nothing of the object may be touched.
  bool destroyed() const { return destroyed_; }

 private:
  bool destroyed_ = false;
  bool*& slot_;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_NET_DESTRUCTION_WATCH_H_
