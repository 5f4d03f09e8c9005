// What the example in C++ uses of ONNX Runtime's interface: declarations to check its syntax and
// types with where no release of ONNX Runtime is at hand. Nothing is defined here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#define ORT_TSTR(text) text

enum OrtLoggingLevel { ORT_LOGGING_LEVEL_WARNING = 2 };
enum OrtAllocatorType { OrtArenaAllocator = 1 };
enum OrtMemType { OrtMemTypeDefault = 0 };
enum ONNXTensorElementDataType { ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32 = 6 };
struct OrtAllocator;

namespace Ort {
struct Env {
    Env(OrtLoggingLevel level, const char *name);
};
struct SessionOptions {
    SessionOptions &SetIntraOpNumThreads(int threads);
    SessionOptions &DisableMemPattern();
};
struct RunOptions {};
struct AllocatorWithDefaultOptions {
    operator OrtAllocator *();
};
struct MemoryInfo {
    static MemoryInfo CreateCpu(OrtAllocatorType type, OrtMemType memory);
};
struct TensorTypeAndShapeInfo {
    std::vector<int64_t> GetShape() const;
    ONNXTensorElementDataType GetElementType() const;
};
struct TypeInfo {
    TensorTypeAndShapeInfo GetTensorTypeAndShapeInfo() const;
};
struct Value {
    Value(Value &&) noexcept;
    template <typename T>
    static Value CreateTensor(const MemoryInfo &info, T *data, size_t count, const int64_t *shape,
                              size_t rank);
    template <typename T>
    const T *GetTensorData() const;
};
struct AllocatedFree {
    void operator()(char *text) const;
};
using AllocatedStringPtr = std::unique_ptr<char, AllocatedFree>;
struct IoBinding;
struct Session {
    Session(Env &env, const char *path, const SessionOptions &options);
    size_t GetInputCount() const;
    size_t GetOutputCount() const;
    AllocatedStringPtr GetInputNameAllocated(size_t index, OrtAllocator *allocator) const;
    AllocatedStringPtr GetOutputNameAllocated(size_t index, OrtAllocator *allocator) const;
    TypeInfo GetInputTypeInfo(size_t index) const;
    void Run(const RunOptions &options, const IoBinding &binding);
};
struct IoBinding {
    explicit IoBinding(Session &session);
    IoBinding(const IoBinding &) = delete;
    IoBinding(IoBinding &&) noexcept;
    void BindInput(const char *name, const Value &value);
    void BindOutput(const char *name, const Value &value);
    void BindOutput(const char *name, const MemoryInfo &info);
    std::vector<Value> GetOutputValues() const;
};
}  // namespace Ort
