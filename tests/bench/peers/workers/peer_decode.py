"""The readers of the Python world, on one frame after the other, each with one thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from serving import Maker, luma_of, serve

Engine = Callable[[memoryview], list[str]]


def zxing(**options: Any) -> Callable[[Any], Engine]:
    """zxing-cpp, for QR codes unless other formats are asked for."""

    def make(_setup: Any) -> Engine:
        import zxingcpp

        chosen = {"formats": zxingcpp.BarcodeFormat.QRCode} | options
        return lambda luma: [code.text for code in zxingcpp.read_barcodes(luma, **chosen)]

    return make


def zxing_all(_setup: Any) -> Engine:
    """zxing-cpp as it comes: every kind of code that it knows."""
    import zxingcpp

    return lambda luma: [code.text for code in zxingcpp.read_barcodes(luma)]


def zbar(_setup: Any) -> Engine:
    from pyzbar import pyzbar

    def read(luma: memoryview) -> list[str]:
        height, width = luma.shape or (0, 0)
        codes = pyzbar.decode((luma.tobytes(), width, height), symbols=[pyzbar.ZBarSymbol.QRCODE])
        return [code.data.decode("utf-8", "replace") for code in codes]

    return read


def opencv(detector: str) -> Callable[[Any], Engine]:
    def make(_setup: Any) -> Engine:
        import cv2
        import numpy as np

        cv2.setNumThreads(1)
        read = getattr(cv2, detector)().detectAndDecodeMulti
        return lambda luma: [text for text in read(np.asarray(luma))[1] if text]

    return make


MAKERS: dict[str, Maker] = {
    "zxing-cpp, fast": ("zxing-cpp", zxing(try_rotate=False, try_downscale=False, try_invert=False)),
    "zxing-cpp, defaults": ("zxing-cpp", zxing()),
    "zxing-cpp, all formats": ("zxing-cpp", zxing_all),
    "zbar": ("pyzbar", zbar),
    "OpenCV QRCodeDetector": ("opencv-python-headless", opencv("QRCodeDetector")),
    "OpenCV QRCodeDetectorAruco": ("opencv-python-headless", opencv("QRCodeDetectorAruco")),
}

if __name__ == "__main__":
    serve(MAKERS, luma_of)
