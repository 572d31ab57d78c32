import napari_vitface.model  # noqa: F401, before torch is loaded: it says how threads wait
