// A card that is none: tensors on cuda:0 whose memory is the machine's, and whose kernels are those of the CPU.
//
// It answers in the place of torch's CUDA backend, in builds of torch without one. Each operation gets aliases of its
// tensors on the CPU; what comes out of it is on the card again. As on a card, tensors of both places do not mix.

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/library.h>

#include <atomic>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace {

using c10::Device;
using c10::DeviceIndex;
using c10::DispatchKey;
using c10::DispatchKeySet;
using c10::IValue;
using c10::Storage;
using c10::Stream;

constexpr auto kind = c10::DeviceType::CUDA;
const Device card(kind, 0);

constexpr int64_t size = int64_t{16} << 30;
std::atomic<int64_t> held{0}, peak{0}, most{size};

void take(int64_t bytes) {
  const int64_t now = held += bytes;
  if (bytes > 0 && now > most) {
    held -= bytes;
    TORCH_CHECK_WITH(OutOfMemoryError, false, "CUDA out of memory. Tried to allocate ", bytes, " bytes.");
  }
  int64_t before = peak;
  while (before < now && !peak.compare_exchange_weak(before, now)) {
  }
}

struct Guard final : c10::impl::DeviceGuardImplInterface {
  Guard() = default;
  explicit Guard(c10::DeviceType) {}
  c10::DeviceType type() const override { return kind; }
  Device exchangeDevice(Device) const override { return card; }
  Device getDevice() const override { return card; }
  void setDevice(Device) const override {}
  void uncheckedSetDevice(Device) const noexcept override {}
  Stream getStream(Device) const override { return Stream(Stream::DEFAULT, card); }
  Stream getDefaultStream(Device) const override { return Stream(Stream::DEFAULT, card); }
  Stream exchangeStream(Stream) const override { return Stream(Stream::DEFAULT, card); }
  DeviceIndex deviceCount() const noexcept override { return 1; }
  bool queryStream(const Stream&) const override { return true; }
  void synchronizeStream(const Stream&) const override {}
  void synchronizeDevice(DeviceIndex) const override {}
  void recordDataPtrOnStream(const c10::DataPtr&, const Stream&) const override {}
};

C10_REGISTER_GUARD_IMPL(CUDA, Guard)

// Draws what the CPU's own generator draws.
struct CardGenerator final : c10::GeneratorImpl {
  explicit CardGenerator(at::Generator of)
      : c10::GeneratorImpl(card, DispatchKeySet(DispatchKey::CUDA)), on_cpu(std::move(of)) {}
  void set_current_seed(uint64_t seed) override { on_cpu.set_current_seed(seed); }
  void set_offset(uint64_t offset) override { on_cpu.set_offset(offset); }
  uint64_t get_offset() const override { return on_cpu.get_offset(); }
  uint64_t current_seed() const override { return on_cpu.current_seed(); }
  uint64_t seed() override { return on_cpu.seed(); }
  void set_state(const c10::TensorImpl& state) override { on_cpu.unsafeGetGeneratorImpl()->set_state(state); }
  c10::intrusive_ptr<c10::TensorImpl> get_state() const override {
    return on_cpu.unsafeGetGeneratorImpl()->get_state();
  }
  CardGenerator* clone_impl() const override { return new CardGenerator(on_cpu.clone()); }

  at::Generator on_cpu;
};

at::Generator generator() { return at::make_generator<CardGenerator>(at::detail::createCPUGenerator()); }

struct CUDAHooks final : at::CUDAHooksInterface {
  explicit CUDAHooks(at::CUDAHooksArgs) {}
  void init() const override {}
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasPrimaryContext(DeviceIndex) const override { return true; }
  bool hasCUDA() const override { return true; }
  int getNumGPUs() const override { return 1; }
  DeviceIndex deviceCount() const override { return 1; }
  DeviceIndex current_device() const override { return 0; }
  DeviceIndex getCurrentDevice() const override { return 0; }
  void setCurrentDevice(DeviceIndex) const override {}
  DeviceIndex exchangeDevice(DeviceIndex) const override { return 0; }
  DeviceIndex maybeExchangeDevice(DeviceIndex) const override { return 0; }
  Device getDeviceFromPtr(void*) const override { return card; }
  c10::Allocator* getPinnedMemoryAllocator() const override { return c10::GetCPUAllocator(); }
  at::Generator getNewGenerator(DeviceIndex) const override { return generator(); }
  const at::Generator& getDefaultGenerator(DeviceIndex) const override {
    static const at::Generator one = generator();
    return one;
  }
};

using at::CUDAHooksRegistry;
using at::RegistererCUDAHooksRegistry;
REGISTER_CUDA_HOOKS(CUDAHooks)

struct Kept {
  Storage storage;
  int64_t counted;
};

void release(void* kept) {
  auto* one = static_cast<Kept*>(kept);
  held -= one->counted;
  delete one;
}

// The memory of a storage, as one on another device; it lives as long as either.
Storage same_memory(const Storage& storage, Device device, int64_t counted) {
  void* data = const_cast<void*>(storage.data());
  take(counted);
  return Storage(
      Storage::use_byte_size_t(),
      storage.nbytes(),
      c10::DataPtr(data, new Kept{storage, counted}, &release, device),
      c10::GetCPUAllocator(),
      /*resizable=*/true);
}

at::Tensor like(const at::Tensor& tensor, Storage storage, DispatchKey key) {
  auto made = at::detail::make_tensor<c10::TensorImpl>(std::move(storage), DispatchKeySet(key), tensor.dtype());
  made.unsafeGetTensorImpl()->set_sizes_and_strides(tensor.sizes(), tensor.strides(), tensor.storage_offset());
  return made;
}

// One operation: aliases on the CPU of what it is given, and what it gives back on the card.
class Call {
 public:
  at::Tensor on_cpu(const at::Tensor& tensor) {
    if (!tensor.defined() || !tensor.is_cuda()) {
      return tensor;
    }
    auto* key = tensor.storage().unsafeGetStorageImpl();
    auto found = cpu_.find(key);
    if (found == cpu_.end()) {
      found = cpu_.emplace(key, same_memory(tensor.storage(), Device(c10::DeviceType::CPU), 0)).first;
      card_.emplace(found->second.unsafeGetStorageImpl(), tensor);
    }
    auto alias = like(tensor, found->second, DispatchKey::CPU);
    if (tensor.is_conj()) {
      alias._set_conj(true);
    }
    given_.emplace(alias.unsafeGetTensorImpl(), tensor);
    aliases_.push_back(alias);
    return alias;
  }

  at::Tensor on_card(const at::Tensor& tensor) {
    if (!tensor.defined() || tensor.is_cuda()) {
      return tensor;
    }
    const auto given = given_.find(tensor.unsafeGetTensorImpl());
    if (given != given_.end()) {
      return given->second;
    }
    const auto view = card_.find(tensor.storage().unsafeGetStorageImpl());
    if (view != card_.end()) {
      const auto& base = view->second;  // whose keys say whether gradients are recorded
      auto made = at::detail::make_tensor<c10::TensorImpl>(
          c10::TensorImpl::VIEW, Storage(base.storage()), base.key_set(), tensor.dtype());
      made.unsafeGetTensorImpl()->set_sizes_and_strides(tensor.sizes(), tensor.strides(), tensor.storage_offset());
      return made;
    }
    return like(tensor, same_memory(tensor.storage(), card, tensor.storage().nbytes()), DispatchKey::CUDA);
  }

  // Operations may give a tensor another shape, and its storage more memory.
  void settle() {
    for (const auto& [key, storage] : cpu_) {
      if (storage.data() != key->data()) {
        take(storage.nbytes());
        key->set_data_ptr_noswap(c10::DataPtr(
            storage.mutable_data(), new Kept{storage, static_cast<int64_t>(storage.nbytes())}, &release, card));
        key->set_nbytes(storage.nbytes());
      }
    }
    for (const auto& alias : aliases_) {
      const auto& tensor = given_.at(alias.unsafeGetTensorImpl());
      if (alias.sizes() != tensor.sizes() || alias.strides() != tensor.strides()) {
        tensor.unsafeGetTensorImpl()->set_sizes_and_strides(alias.sizes(), alias.strides(), alias.storage_offset());
      }
    }
  }

 private:
  std::unordered_map<c10::StorageImpl*, Storage> cpu_;
  std::unordered_map<c10::StorageImpl*, at::Tensor> card_;
  std::unordered_map<c10::TensorImpl*, at::Tensor> given_;
  std::vector<at::Tensor> aliases_;
};

template <typename Change>
IValue changed(const IValue& value, const Change& change) {
  if (value.isTensor()) {
    return change(value.toTensor());
  }
  if (value.isGenerator()) {
    const auto* ours = dynamic_cast<const CardGenerator*>(value.toGenerator().unsafeGetGeneratorImpl());
    return ours ? IValue(ours->on_cpu) : value;
  }
  if (value.isTensorList()) {
    c10::List<at::Tensor> list;
    for (const at::Tensor& tensor : value.toTensorVector()) {
      list.push_back(change(tensor));
    }
    return list;
  }
  if (value.isOptionalTensorList()) {
    c10::List<std::optional<at::Tensor>> list;
    for (const std::optional<at::Tensor>& tensor : value.toOptionalTensorVector()) {
      list.push_back(tensor ? std::optional<at::Tensor>(change(*tensor)) : std::nullopt);
    }
    return list;
  }
  return value;
}

// What takes tensors of the CPU beside those of a card: indices, and what moves data.
bool mixes(const std::string& name) {
  static const std::unordered_set<std::string> known{
      "aten::index", "aten::index_put_", "aten::_index_put_impl_", "aten::copy_", "aten::set_", "aten::lift_fresh"};
  return known.count(name) > 0;
}

void run_on_cpu(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  const auto& name = op.schema().name();
  const size_t count = op.schema().arguments().size();
  const size_t start = stack->size() - count;
  Call call;
  bool ours = false;
  std::string other;
  const auto change = [&](const at::Tensor& tensor) {
    if (tensor.defined()) {
      ours |= tensor.is_cuda();
      if (!tensor.is_cuda() && tensor.dim() > 0) {
        other = tensor.device().str();
      }
    }
    return call.on_cpu(tensor);
  };
  for (size_t at = start; at < stack->size(); ++at) {
    IValue& value = (*stack)[at];
    value = value.isDevice() && value.toDevice().is_cuda() ? IValue(Device(c10::DeviceType::CPU)) : changed(value, change);
  }
  TORCH_CHECK(
      !ours || other.empty() || mixes(name),
      "Expected all tensors to be on the same device, but found at least two devices, cuda:0 and ", other, "! (", name, ")");
  {
    at::AutoDispatchBelowADInplaceOrView below;
    op.callBoxed(*stack);
  }
  call.settle();
  const size_t returned = op.schema().returns().size();
  for (size_t at = stack->size() - returned; at < stack->size(); ++at) {
    (*stack)[at] = changed((*stack)[at], [&](const at::Tensor& tensor) { return call.on_card(tensor); });
  }
}

at::Tensor& copy(at::Tensor& self, const at::Tensor& source, bool) {
  Call call;
  call.on_cpu(self).copy_(call.on_cpu(source));
  return self;
}

at::Tensor empty_strided(
    at::IntArrayRef size,
    at::IntArrayRef stride,
    std::optional<at::ScalarType> dtype,
    std::optional<at::Layout>,
    std::optional<Device>,
    std::optional<bool>) {
  Call call;
  return call.on_card(at::empty_strided(size, stride, at::TensorOptions().dtype(dtype)));
}

at::Tensor empty(
    at::IntArrayRef size,
    std::optional<at::ScalarType> dtype,
    std::optional<at::Layout>,
    std::optional<Device>,
    std::optional<bool>,
    std::optional<at::MemoryFormat> format) {
  Call call;
  return call.on_card(at::empty(size, at::TensorOptions().dtype(dtype), format));
}

}  // namespace

TORCH_LIBRARY_IMPL(_, CUDA, m) { m.fallback(torch::CppFunction::makeFromBoxedFunction<&run_on_cpu>()); }

TORCH_LIBRARY_IMPL(aten, CUDA, m) {
  m.impl("copy_", &copy);
  m.impl("empty.memory_format", &empty);
  m.impl("empty_strided", &empty_strided);
  for (const char* name : {"convolution", "_convolution", "convolution_backward"}) {
    m.impl(name, torch::CppFunction::makeFromBoxedFunction<&run_on_cpu>());
  }
}

TORCH_LIBRARY(card, m) {
  m.def("size() -> int", []() -> int64_t { return size; });
  m.def("limit(int bytes) -> ()", [](int64_t bytes) { most = bytes; });
  m.def("held() -> int", []() -> int64_t { return held; });
  m.def("peak() -> int", []() -> int64_t { return peak; });
  m.def("forget_peak() -> ()", []() { peak = held.load(); });
}
